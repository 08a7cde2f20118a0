"""What aggregators share that let only proven judges vote: the gate, and what to say of the seats it keeps out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from judges.aggregate._votes import heard, unheard
from judges.aggregate._weights import GATE, PRIOR, Counted, accuracy, voters, weights_of
from judges.judge import Aggregator, Calibrated, Judge
from judges.types import Verdict


class Gated(Calibrated, Aggregator):
    """An aggregator whose voters have to be right often enough on labelled verdicts.

    ``calibration`` is the file that says how often, the jury's own where none is named. A judge that the file does not
    hold, or whose accuracy is below ``gate`` once ``prior`` imagined right and as many wrong verdicts have been added,
    has no vote.
    """

    gate: float = Field(default=GATE, ge=0.5, lt=1.0)
    prior: float = Field(default=PRIOR, gt=0.0, allow_inf_nan=False)

    none_left: ClassVar[str] = "gated_out"

    def records(self) -> Mapping[str, Counted]:
        """What labels say, by digest of the judge; empty before loading."""
        book = self._held.book
        return {digest: Counted(n=one.n, right=one.right) for digest, one in book.judges.items()} if book else {}

    def weights(self) -> Mapping[str, float]:
        """The weight of each judge, 0 where the gate keeps it out; empty before loading."""
        return weights_of(self.records(), self.gate, self.prior)

    def voting(self, ballots: Sequence[Verdict]) -> list[Verdict]:
        """The ballots that name winners and whose judge passes the gate."""
        return voters(ballots, self.weights())

    def nobody(self, ballots: Sequence[Verdict]) -> Verdict:
        """No finding, since no seat that spoke has a vote: an abstention that says so."""
        spoken = len(heard(ballots))
        if not spoken:
            return unheard(self.digest, ballots)
        lacking = "is below the gate or without labelled verdicts" if self._held.book else "lacks a calibration"
        told = f"none of the {spoken} seats that spoke has a vote: each {lacking}"
        return replace(unheard(self.digest, ballots, told), flags=(self.none_left,))

    def misfits(self, seats: Sequence[Judge]) -> Iterator[tuple[str, str]]:
        records = self.records()
        if self._held.book is None:
            yield "calibration", "no file is named here or by the jury, so no seat has a vote and it always abstains"
            return
        for place, seat in enumerate(seats):
            record = records.get(seat.digest)
            if record is None:
                told = f"nothing is known of it as it is configured now ({seat.digest[:12]}...)"
            elif (share := accuracy(record, self.prior)) < self.gate:
                told = f"it is right in {share:.0%} of {record.n} labelled verdicts, below the gate of {self.gate:.0%}"
            else:
                continue
            yield "calibration", f"seat {place} ({seat.use}) has no vote: {told}"
