"""Each vote by what its judge is known to be worth."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from judges.aggregate._gate import Gated
from judges.aggregate._votes import elect
from judges.aggregate._weights import version_of, voters, votes_of
from judges.judge import AGGREGATORS
from judges.types import Case, Verdict


@AGGREGATORS.register("weighted")
class Weighted(Gated):
    """Votes weigh the log-odds of their judge's accuracy on labelled verdicts; below ``gate`` a judge has no vote.

    Accuracies come from ``calibration``, the jury's own where none is named, and are drawn towards one half by
    ``prior`` imagined right and as many wrong verdicts. A tied ballot splits its weight; where tied ballots outweigh
    the decided ones together, they alone count, since what the best judge cannot tell apart a lesser one tells apart by
    luck. Where no seat that spoke has a vote the jury abstains, with the flag ``gated_out``. ``Verdict.weights`` is the
    version of the weights.
    """

    def combine(self, ballots: Sequence[Verdict], case: Case) -> Verdict:
        weights = self.weights()
        counted = voters(ballots, weights)
        if not counted:
            return self.nobody(ballots)
        votes = votes_of(_deciding(counted, weights), weights)
        share = float(max(votes.values()) / sum(votes.values()))
        told = f"{share:.0%} of the weight of {len(counted)} seats with a vote, of {len(ballots)} seats"
        return replace(elect(self.digest, case, votes, ballots, reason=told), weights=version_of(weights))


def _deciding(ballots: Sequence[Verdict], weights: Mapping[str, float]) -> Sequence[Verdict]:
    """The tied ballots where they weigh more than the decided ones, else all."""
    tied = [ballot for ballot in ballots if ballot.outcome == "tie"]
    weight = sum(Fraction(weights[ballot.judge]) for ballot in tied)
    return tied if 2 * weight > sum(Fraction(weights[ballot.judge]) for ballot in ballots) else ballots
