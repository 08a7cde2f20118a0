"""Findings of judging again, beside those in force: what changed under another judge. Blocking."""

from collections.abc import Mapping
from dataclasses import dataclass

from ensemble.store.audit.window import ARRIVED, EVERYTHING, Window
from ensemble.store.content import dumps, unbind
from ensemble.store.database import Database
from ensemble.store.rejudging import Finding, Standing, finding, standing
from ensemble.types import RequestId
from judges.types import CandidateId

# Findings of judging again are few among many, so the table is read in its order and not by an index.
_AGAIN = f"""
WITH again AS MATERIALIZED (SELECT * FROM verdicts NOT INDEXED WHERE phase = 'rejudged' AND parent IS NULL)
SELECT request_id, judge, judge_digest, outcome, winners, confidence, all_bad FROM (
    SELECT v.*, row_number() OVER (PARTITION BY v.request_id, v.judge_digest ORDER BY v.id DESC) AS place
    FROM again v JOIN requests r ON r.id = v.request_id WHERE {ARRIVED}
) latest WHERE place = 1 ORDER BY id DESC LIMIT :most
"""  # noqa: S608 - our own text
_AUTHORS = "SELECT request_id, id, member FROM candidates WHERE request_id IN (SELECT value FROM json_each(?))"
_CHECKS = """
SELECT anchor_set, judge, judge_digest, checked_at, cases, agreed, low, high, drift, nano_usd
FROM anchor_checks ORDER BY checked_at DESC, id DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """One request judged again: the latest finding of a judge, by digest, and the finding in force, if there is one."""

    request: RequestId
    judge: str
    digest: str
    found: Finding
    before: Finding | None
    authors: Mapping[CandidateId, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One check of a judge against a set of anchors; ``agreed`` of ``cases``, with the interval of the share."""

    anchor_set: str
    judge: str
    digest: str
    at: str
    cases: int
    agreed: float
    low: float
    high: float
    drift: bool
    nano_usd: int | None


def judged_again(db: Database, most: int, window: Window = EVERYTHING) -> list[Again]:
    """The latest ``most`` findings of judging again on requests of ``window``, the newest first."""
    rows = db.execute(_AGAIN, {**window.given, "most": most}).fetchall()
    ids = sorted({RequestId(row[0]) for row in rows})
    before = standing(db, ids)
    authors: dict[str, dict[CandidateId, str]] = {}
    for request, candidate, member in db.execute(_AUTHORS, [dumps(ids).decode()]):
        authors.setdefault(request, {})[candidate] = unbind(member)
    return [
        Again(
            request=RequestId(request),
            judge=unbind(judge),
            digest=digest,
            found=finding(outcome, winners, confidence, all_bad),
            before=_finding_of(before.get(RequestId(request))),
            authors=authors.get(request, {}),
        )
        for request, judge, digest, outcome, winners, confidence, all_bad in rows
    ]


def checks(db: Database, most: int) -> list[Checked]:
    """The latest ``most`` checks of anchors, the newest first."""
    return [
        Checked(
            anchor_set=unbind(anchor_set),
            judge=unbind(judge),
            digest=digest,
            at=at,
            cases=cases,
            agreed=agreed,
            low=low,
            high=high,
            drift=bool(drift),
            nano_usd=nano_usd,
        )
        for anchor_set, judge, digest, at, cases, agreed, low, high, drift, nano_usd in db.execute(_CHECKS, [most])
    ]


def _finding_of(stands: Standing | None) -> Finding | None:
    return None if stands is None else stands.finding
