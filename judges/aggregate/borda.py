"""Points for each candidate that is placed below."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from judges.aggregate._votes import elect, heard, unheard
from judges.judge import AGGREGATORS, Aggregator
from judges.types import CandidateId, Case, Verdict


@AGGREGATORS.register("borda")
class Borda(Aggregator):
    """On each ballot a candidate gets a point for each one that it beats and half a point for each equal.

    A ballot ranks by its scores where it scored every candidate, else its winners stand above the rest.
    """

    def combine(self, ballots: Sequence[Verdict], case: Case) -> Verdict:
        spoken = heard(ballots)
        if not spoken:
            return unheard(self.digest, ballots)
        points: dict[CandidateId, Fraction] = {one.id: Fraction(0) for one in case.candidates}
        for ballot in spoken:
            worth = _worth(ballot, case)
            for one, mine in worth.items():
                beaten = sum(mine > other for other in worth.values())
                equal = sum(mine == other for other in worth.values()) - 1
                points[one] += beaten + Fraction(equal, 2)
        told = f"{float(max(points.values(), default=Fraction(0))):g} points from {len(spoken)} of {len(ballots)} seats"
        return elect(self.digest, case, points, ballots, reason=told)


def _worth(ballot: Verdict, case: Case) -> Mapping[CandidateId, float]:
    ids = [one.id for one in case.candidates]
    if all(one in ballot.scores for one in ids):
        return {one: ballot.scores[one] for one in ids}
    return {one: float(one in ballot.winners) for one in ids}
