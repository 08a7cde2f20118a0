"""A judge of two candidates, made a judge of many."""

from collections.abc import Mapping
from typing import ClassVar

from judges.aggregate._strengths import share_of
from judges.brackets import Side
from judges.judge import JUDGES, AnyJudge, Judge
from judges.llm._field import Field, Kind, Played, field_of, play, rules
from judges.llm._referring import one_own_answer
from judges.panels._ballots import cost, hear, raised
from judges.screen import only
from judges.types import Candidate, Case, Model, Preference, Verdict


@JUDGES.register("tournament")
class Tournament(Judge):
    """A knockout of n - 1 matches, each judged by ``compare`` on a case of two candidates; every ballot is kept.

    A ``round_robin`` of n * (n - 1) / 2 matches is decided by Bradley-Terry strengths instead, in which a weak win
    counts less, as the comparisons of its ballot say. A reference answer that a judge writes itself
    (``reference = "own"``) is written once per case, not per match, and stands in the ballot that asked first.

    After a tie or without a verdict the candidate that was drawn earlier goes on. Whoever tied with a winner is one
    too; ``by_lot`` says where a winner owes a match without a verdict to the draw. A final without a verdict names no
    winner.
    """

    version: ClassVar[int] = 2

    compare: AnyJudge
    play: Kind = "knockout"

    def ingredients(self) -> Mapping[str, str]:
        return rules(self.play)

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        field = field_of(case)
        if len(field.entrants) < 2:
            return field.unasked(self.digest, case)
        heard: dict[tuple[str, str], Verdict] = {}

        async def match(one: Candidate, other: Candidate) -> Side:
            ballot = await hear(self.compare, only(case, [one.id, other.id]), models)
            heard[one.id, other.id] = ballot
            return _side(ballot, one)

        def share(one: Candidate, other: Candidate) -> float | None:
            return _share(heard[one.id, other.id], one)

        with one_own_answer():
            played = await play(self.play, field.entrants, match, share)
        return self._verdict(case, field, played, heard)

    def _verdict(self, case: Case, field: Field, played: Played, heard: Mapping[tuple[str, str], Verdict]) -> Verdict:
        ballots = tuple(heard[match.first.id, match.second.id] for match in played.matches)
        outcome, winners = field.outcome(case, played.best)
        if not winners and all(ballot.outcome == "failed" for ballot in ballots):
            outcome = "failed"
        preferences = tuple(
            Preference(
                shown=(match.first.id, match.second.id),
                outcome=match.side,
                strength=_strength(_share(heard[match.first.id, match.second.id], match.first)),
            )
            for match in played.matches
        )
        flags = raised(ballots)
        if played.by_lot and "by_lot" not in flags:
            flags = (*flags, "by_lot")
        return Verdict(
            judge=self.digest,
            outcome=outcome,
            winners=winners,
            scores=field.shared(case, played.scores),
            preferences=preferences + field.ties,
            ballots=ballots,
            flags=flags,
            all_bad=bool(winners) and all(ballot.all_bad for ballot in ballots),
            reason=f"{played.note}; {ballots[-1].reason}" if played.note else ballots[-1].reason,
            usage=cost(ballots),
        )


def _side(ballot: Verdict, one: Candidate) -> Side:
    if not ballot.winners:
        return "none"
    return "tie" if ballot.outcome == "tie" else "first" if ballot.winners == (one.id,) else "second"


def _share(ballot: Verdict, one: Candidate) -> float | None:
    """The share of a win that ``ballot`` gives to ``one``: in full, or as weak as its comparisons are."""
    plain = {"first": 1.0, "second": 0.0, "tie": 0.5, "none": None}[_side(ballot, one)]
    told = share_of(one.id, ballot.preferences)
    # What the judge made of its comparisons stands: they say how clear it is, not who won.
    return told if plain is not None and told is not None and (plain - 0.5) * (told - 0.5) > 0 else plain


def _strength(share: float | None) -> float | None:
    """The strength of a preference that is worth ``share`` of a win; None for a full one, a tie and no verdict."""
    return None if share is None or share in (0.0, 0.5, 1.0) else abs(2 * share - 1)
