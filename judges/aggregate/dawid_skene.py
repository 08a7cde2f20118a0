"""Each vote by what it proved worth beside the others, in a history of ballots."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from judges.aggregate._gate import Gated
from judges.aggregate._history import Fit, Row, fit, read
from judges.aggregate._votes import elect
from judges.aggregate._weights import version_of, voters, votes_of
from judges.agreement.votes import worth as votes_worth
from judges.calibration import Calibration
from judges.judge import AGGREGATORS, Judge
from judges.types import Case, Verdict


@dataclass(slots=True)
class Learned:
    """What was read and fit; no option."""

    rows: Sequence[Row] = ()
    fit: Fit | None = None


@AGGREGATORS.register("dawid_skene")
class DawidSkene(Gated):
    """Votes weigh what EM over a history of ballots finds their judge to be worth (Dawid and Skene 1979).

    Opt-in, for judges that pass the ``gate`` of ``calibration`` alone: EM believes a majority that errs together.
    ``history_file`` holds one case of the past per line: ``{"candidates": ["a", "b"], "ballots": {"DIGEST": ["a"]},
    "best": ["a"]}``, with ``best`` where it is known. The labelled verdicts of ``calibration`` open the gate and count
    as votes cast before, beside ``prior`` imagined right and as many wrong ones.

    Judges that err together are worth less than their number: the flag ``effective_votes:2.1`` and the reason say how
    many independent votes (Kish 1965) those of the case are worth. Shared errors are read from rows with ``best``, else
    from agreement beyond what the labelled accuracies explain; two judges with fewer than 20 rows in common count as
    one. It does not change who wins.
    """

    outside: ClassVar[frozenset[str]] = Gated.outside | {"history_file"}

    history_file: Path

    @cached_property
    def _learned(self) -> Learned:
        return Learned()

    def load(self) -> None:
        """Read history and calibration, and fit. Raises OSError or InvalidOptions for a file that is not usable."""
        self._learned.rows = read(self.history_file)
        super().load()

    def calibrate(self, book: Calibration) -> None:
        super().calibrate(book)
        weights = self.weights()
        proven = {name: one for name, one in self.records().items() if weights[name] > 0}
        self._learned.fit = fit(self._learned.rows, proven, self.prior)

    def combine(self, ballots: Sequence[Verdict], case: Case) -> Verdict:
        learned = self._learned.fit
        weights = _worth(learned, len(case.candidates)) if learned else {}
        counted = voters(ballots, weights)
        if not counted or learned is None:
            return self.nobody(ballots)
        votes = votes_of(counted, weights)
        judges = sorted(ballot.judge for ballot in counted)
        worth = votes_worth(len(judges), learned.shared(judges))
        # The log-odds of independent votes are too sure of themselves by this factor.
        scale = worth / len(judges)
        most = float(max(votes.values()))
        others = [float(votes.get(one.id, 0)) for one in case.candidates]
        sure = 1 / math.fsum(math.exp(scale * (each - most)) for each in others) if others else 1.0
        told = (
            f"posterior {sure:.0%}; {len(judges)} votes worth {worth:.1f} independent ones, "
            f"by {learned.rows} cases of the past{'' if learned.converged else ', on which EM did not settle'}"
        )
        used = version_of({**weights, "shared": learned.shared(judges)})
        elected = elect(self.digest, case, votes, ballots, reason=told)
        return replace(elected, weights=used, flags=(*elected.flags, f"effective_votes:{worth:.1f}"))

    def misfits(self, seats: Sequence[Judge]) -> Iterator[tuple[str, str]]:
        yield from super().misfits(seats)
        known = {name for row in self._learned.rows for name in row.ballots}
        for place, seat in enumerate(seats):
            if self._learned.fit and seat.digest in self._learned.fit.accuracy and seat.digest not in known:
                told = f"holds no ballot of seat {place} ({seat.use}): only its labelled verdicts count"
                yield "history_file", f"{self.history_file} {told}"


def _worth(learned: Fit, candidates: int) -> Mapping[str, float]:
    """Log-likelihood ratio of a vote for a candidate against one for another; 0 where it is no better than chance."""
    wrong = max(1, candidates - 1)
    return {name: max(0.0, math.log(share * wrong) - math.log(1 - share)) for name, share in learned.accuracy.items()}
