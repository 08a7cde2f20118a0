"""From scores and best answers of a file to a ruling, as a judge would have made it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from uuid_utils import uuid7

from ensemble.importing.given import Given
from ensemble.ruling import case_key, case_of
from ensemble.store.importing import Imported
from ensemble.types import Call, Request, Ruling, VerdictId
from judges.types import CandidateId, Verdict

MARK = "imported:"
"""What the digest of a judge, and of a router, begins with where the finding or plan came from a file."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the same import found before, and the calls behind its candidates."""

    verdict: Imported
    calls: tuple[Call, ...]


def ruling_of(
    request: Request,
    given: Given,
    calls: Sequence[Call],
    judge: str,
    *,
    before: Found | None = None,
    beside: bool = False,
    stage: int = 0,
    panel: Collection[CandidateId | None] = (),
    whole: bool = False,
) -> Ruling | None:
    """What ``given`` says of ``calls``, which stand in the order of its answers; None where that is nothing new.

    Scores that the same import gave ``before`` are kept. ``beside`` another finding it is one that labels do not take.
    It is complete where it covers ``panel``, or where the row is the ``whole`` of it.
    """
    scores = {
        call.candidate: answer.score
        for call, answer in zip(calls, given.answers, strict=True)
        if call.candidate is not None and answer.score is not None
    }
    about = {call.candidate: call for call in calls if call.candidate in scores or given.best is not None}
    if not about:
        return None
    if before is not None:
        scores = {**before.verdict.scores, **scores}
        about = {**{call.candidate: call for call in before.calls if call.candidate in scores}, **about}
    said = None if given.best is None else [call.candidate for place, call in enumerate(calls) if place in given.best]
    case = case_of(request, list(about.values()), {})
    ids = [one.id for one in case.candidates]
    winners = tuple(one for one in ids if one in (said if said else _highest(ids, scores)))
    verdict = Verdict(
        judge=judge,
        outcome="decided" if len(winners) == 1 else "tie",
        winners=winners,
        scores=scores,
        all_bad=said == [],
        reason="imported",
    )
    key = case_key(case)
    if before is not None and before.verdict == Imported(key, frozenset(winners), scores, verdict.all_bad):
        return None
    return Ruling(
        id=VerdictId(str(uuid7())),
        stage=stage,
        judge=judge,
        phase="rejudged" if beside else "full",
        verdict=verdict,
        chosen=winners[0],
        started_at=given.at or datetime.now(UTC),
        total_s=0.0,
        complete=len(about) == len(calls) if whole else set(panel) <= about.keys(),
        usable=len({call.member for call in about.values()}) > 1,
        case_key=key,
        panel=tuple(ids),
    )


def _highest(ids: Sequence[CandidateId], scores: dict[CandidateId, float]) -> list[CandidateId]:
    """The candidates of the highest score; all of them where none has one."""
    top = max((scores[one] for one in ids if one in scores), default=None)
    return [one for one in ids if scores.get(one) == top]
