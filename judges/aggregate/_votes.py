"""Turning counts of votes into a verdict, the same way in every aggregator."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from judges.types import CandidateId, Case, Verdict


def heard(ballots: Sequence[Verdict]) -> list[Verdict]:
    """The ballots that say something: neither abstained nor failed."""
    return [ballot for ballot in ballots if ballot.winners]


def elect(
    digest: str, case: Case, votes: Mapping[CandidateId, Fraction], ballots: Sequence[Verdict], *, reason: str
) -> Verdict:
    """The candidate with most votes, or a tie of those that have as many."""
    most = max(votes.values(), default=Fraction(0))
    winners = tuple(one.id for one in case.candidates if most > 0 and votes.get(one.id) == most)
    if not winners:
        return unheard(digest, ballots)
    return Verdict(judge=digest, outcome="decided" if len(winners) == 1 else "tie", winners=winners, reason=reason)


def unheard(digest: str, ballots: Sequence[Verdict], reason: str = "") -> Verdict:
    """No finding: ``failed`` where every ballot failed, else an abstention."""
    failed = [ballot for ballot in ballots if ballot.outcome == "failed"]
    if failed and len(failed) == len(ballots):
        told = "; ".join(sorted({ballot.reason for ballot in failed}))
        return Verdict(judge=digest, outcome="failed", reason=f"every seat failed: {told}")
    missing = (
        f"{len(failed)} of {len(ballots)} seats failed, the others abstained" if failed else "every seat abstained"
    )
    return Verdict(judge=digest, outcome="abstained", reason=reason or missing)
