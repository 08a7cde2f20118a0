"""One seat, one vote."""

from collections.abc import Sequence
from fractions import Fraction

from pydantic import Field

from judges.aggregate._votes import elect, heard, unheard
from judges.judge import AGGREGATORS, Aggregator
from judges.types import CandidateId, Case, Verdict


@AGGREGATORS.register("majority")
class Majority(Aggregator):
    """Most votes win; a tied ballot gives equal shares of one vote to its winners; equal counts are a tie.

    A seat that failed or abstained has no vote, but counts in ``quorum``: the least share of seats that must have
    spoken, else the jury abstains. 0 asks for one seat.
    """

    quorum: float = Field(default=0.0, ge=0.0, le=1.0)

    def combine(self, ballots: Sequence[Verdict], case: Case) -> Verdict:
        spoken = heard(ballots)
        if not spoken or len(spoken) / len(ballots) < self.quorum:  # 0.55 * 20 is more than 11
            told = f"{len(spoken)} of {len(ballots)} seats spoke, {self.quorum:.0%} are needed" if spoken else ""
            return unheard(self.digest, ballots, told)
        shares: dict[CandidateId, Fraction] = {}
        for ballot in spoken:
            for winner in ballot.winners:
                shares[winner] = shares.get(winner, Fraction(0)) + Fraction(1, len(ballot.winners))
        told = f"{float(max(shares.values())):g} of {len(ballots)} votes"
        return elect(self.digest, case, shares, ballots, reason=told)
