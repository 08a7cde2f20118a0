"""Verdicts of judges that ask no model: they cost nothing and say nothing they do not know."""

from collections.abc import Iterable

from judges.judge import Judge
from judges.types import CandidateId, Case, Outcome, Verdict
from judges.usage import NOTHING


def found(judge: Judge, case: Case, best: Iterable[CandidateId], reason: str) -> Verdict:
    """One best candidate decides, several tie, none abstains."""
    kept = frozenset(best)
    winners = tuple(candidate.id for candidate in case.candidates if candidate.id in kept)
    outcome: Outcome = "abstained" if not winners else "decided" if len(winners) == 1 else "tie"
    return Verdict(judge=judge.digest, outcome=outcome, winners=winners, reason=reason, usage=NOTHING)


def silent(judge: Judge, reason: str) -> Verdict:
    """An abstention."""
    return Verdict(judge=judge.digest, outcome="abstained", reason=reason, usage=NOTHING)


def without(judge: Judge, case: Case, bad: frozenset[CandidateId], what: str) -> Verdict:
    """Prefer the candidates outside ``bad``; silent where all or none are in it."""
    if not bad or len(bad) == len(case.candidates):
        return silent(judge, f"{'all' if bad else 'none'} of {len(case.candidates)} candidates {what}")
    good = [candidate.id for candidate in case.candidates if candidate.id not in bad]
    return found(judge, case, good, f"{len(bad)} of {len(case.candidates)} candidates {what}")


def failed(judge: Judge, reason: str) -> Verdict:
    """What went wrong, as a verdict."""
    return Verdict(judge=judge.digest, outcome="failed", reason=reason, usage=NOTHING)
