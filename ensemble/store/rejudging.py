"""What is asked of the log when stored cases are judged again. Blocking."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from ensemble.store.content import loads
from ensemble.store.database import Database
from ensemble.types import RequestId
from judges.types import CandidateId


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a judge found, as far as findings are compared; without winners it found nothing."""

    outcome: str
    winners: frozenset[CandidateId]
    confidence: float | None
    all_bad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The finding that labels are made of now: by which judge (a digest), on which candidates.

    ``panel`` is empty where that was not stored; ``decided`` tells that no fallback chose.
    """

    finding: Finding
    judge: str
    panel: tuple[CandidateId, ...]
    decided: bool


_STANDING = """
SELECT l.request_id, f.outcome, f.winners, f.confidence, f.all_bad, v.judge_digest, v.panel, v.fallback IS NULL
FROM labels l JOIN verdicts v ON v.id = l.verdict_id JOIN verdicts f ON f.id = l.finding WHERE l.request_id = ?
"""


def standing(db: Database, ids: Sequence[RequestId]) -> dict[RequestId, Standing]:
    """The findings in force on these requests; those that have none are left out."""
    out = {}
    for id_ in ids:
        row = db.execute(_STANDING, [id_]).fetchone()
        if row is not None:
            _, outcome, winners, confidence, all_bad, judge, panel, decided = row
            out[id_] = Standing(
                finding=finding(outcome, winners, confidence, all_bad),
                judge=judge,
                panel=ids_of(panel) if panel else (),
                decided=bool(decided) and outcome in ("decided", "tie"),
            )
    return out


def reusable(db: Database, request: RequestId, case_key: str, judge: str) -> Finding | None:
    """The newest finding of ``judge``, a digest, on this very case; one that failed is none."""
    row = db.execute(
        "SELECT outcome, winners, confidence, all_bad FROM verdicts WHERE request_id = ? AND parent IS NULL "
        "AND judge_digest = ? AND case_key = ? AND outcome <> 'failed' ORDER BY id DESC LIMIT 1",
        [request, judge, case_key],
    ).fetchone()
    return None if row is None else finding(*row)


def finding(outcome: str, winners: str, confidence: float | None, all_bad: int) -> Finding:
    """The finding of a row of ``verdicts``."""
    return Finding(outcome=outcome, winners=frozenset(ids_of(winners)), confidence=confidence, all_bad=bool(all_bad))


def ids_of(text: str) -> tuple[CandidateId, ...]:
    """Candidates from a JSON array."""
    return tuple(cast("list[CandidateId]", loads(text)))
