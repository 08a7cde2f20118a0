"""The highest mean score."""

from collections.abc import Sequence
from math import fsum

from judges.aggregate._votes import unheard
from judges.judge import AGGREGATORS, Aggregator
from judges.types import Case, Verdict


@AGGREGATORS.register("mean")
class Mean(Aggregator):
    """The candidate with the highest mean of its scores wins; ballots without scores say nothing.

    Only candidates that every scoring ballot scored can win: a mean over fewer ballots is no match for the others.
    """

    def combine(self, ballots: Sequence[Verdict], case: Case) -> Verdict:
        scored = [ballot.scores for ballot in ballots if ballot.scores]
        if not scored:
            return unheard(self.digest, ballots, "no seat gave scores" if ballots else "")
        # fsum rounds once, so the order of the ballots cannot tip a tie.
        means = {
            one.id: fsum(scores[one.id] for scores in scored) / len(scored)
            for one in case.candidates
            if all(one.id in scores for scores in scored)
        }
        if not means:
            return unheard(self.digest, ballots, "no candidate was scored by every seat")
        best = max(means.values())
        winners = tuple(one for one, score in means.items() if score == best)
        return Verdict(
            judge=self.digest,
            outcome="decided" if len(winners) == 1 else "tie",
            winners=winners,
            scores=means,
            reason=f"mean score {best:.3f} over {len(scored)} of {len(ballots)} seats",
        )
