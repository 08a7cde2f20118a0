"""Every comparison of every seat, weighed together."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import PositiveFloat

from judges.aggregate._strengths import bradley_terry, won
from judges.aggregate._votes import heard, unheard
from judges.judge import AGGREGATORS, Aggregator
from judges.types import CandidateId, Case, Preference, Verdict

_SAME = 1e-6


@AGGREGATORS.register("bradley_terry")
class BradleyTerry(Aggregator):
    """The candidate with the greatest Bradley-Terry strength wins; strengths come from the comparisons of all ballots.

    A weak win counts less: with strength s it is (1 + s) / 2 of a win, so 0.75 to 0.25 for "somewhat better" of five
    labels.

    A ballot without comparisons counts as one of each winner against each other candidate. Candidates that nobody
    compared cannot win. ``ridge`` is how many further comparisons, all ties, each pair is taken to have had.
    """

    version: ClassVar[int] = 3

    ridge: PositiveFloat = 0.1

    def load(self) -> None:
        super().load()
        bradley_terry(2, {})  # imports its numerics now, off the event loop

    def combine(self, ballots: Sequence[Verdict], case: Case) -> Verdict:
        places = {one.id: place for place, one in enumerate(case.candidates)}
        wins: dict[tuple[int, int], float] = {}
        met: set[CandidateId] = set()
        # Sorted, since a sum of floats depends on its order and a verdict must not.
        for one, other, share in sorted(share for ballot in heard(ballots) for share in _shares(ballot, case)):
            if one in places and other in places:
                met |= {one, other}
                key = places[one], places[other]
                wins[key] = wins.get(key, 0.0) + share
        if not met:
            return unheard(self.digest, ballots, "nobody compared two candidates" if heard(ballots) else "")
        fitted = bradley_terry(len(places), wins, ridge=self.ridge)
        best = max(fitted.strength[places[one]] for one in met)
        winners = tuple(one for one in places if one in met and fitted.strength[places[one]] >= best - _SAME)
        told = f"strength {best:.2f} ± {fitted.error[places[winners[0]]]:.2f}"
        return Verdict(
            judge=self.digest, outcome="decided" if len(winners) == 1 else "tie", winners=winners, reason=told
        )


def _shares(ballot: Verdict, case: Case) -> list[tuple[CandidateId, CandidateId, float]]:
    """(winner, loser, share of a win) of each comparison of ``ballot``."""
    if ballot.preferences:
        return [share for preference in ballot.preferences for share in _of(preference)]
    others = [one.id for one in case.candidates if one.id not in ballot.winners]
    beaten = [(winner, other, 1.0) for winner in ballot.winners for other in others]
    ties = [(one, other, 0.5) for one in ballot.winners for other in ballot.winners if one != other]
    return beaten + ties


def _of(preference: Preference) -> list[tuple[CandidateId, CandidateId, float]]:
    first, second = preference.shown
    share = won(preference)
    return [] if share is None else [(first, second, share), (second, first, 1 - share)]
