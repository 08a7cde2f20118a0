"""The review queue as a list to page through, and the trail of who decided what, and when. Blocking."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

from ensemble.store.audit.window import ARRIVED, Window
from ensemble.store.content import loads, stamp, unbind
from ensemble.store.database import Database
from ensemble.store.review_seats import THIRD

Row = Mapping[str, Any]
Why = Literal["overturned", "confidence", "panel", "flagged", "drawn", "blind", "disputed"]
WHYS: tuple[Why, ...] = get_args(Why)
_WHY: Mapping[Why, str] = {
    "overturned": "v.overturned = 1",
    "confidence": "(v.reason LIKE '%min_confidence%' OR v.reason LIKE '%min_score%')",
    "panel": "v.reason LIKE '%min_panel%'",
    "flagged": "v.reason LIKE 'flagged%'",
    "drawn": "v.draw IS NOT NULL",
    "blind": "v.blind = 1",
    "disputed": f"EXISTS (SELECT 1 FROM review_seats t WHERE t.request_id = v.request_id AND t.seat = {THIRD})",  # noqa: S608
}
_WAITING = f"""
SELECT v.request_id, v.created_at, v.reason, v.overturned, v.draw IS NOT NULL AS drawn, v.blind, r.model AS router,
    coalesce(v.place, -1) AS place,
    CASE WHEN v.claimed_until > :now THEN v.claimed_by END AS claimed_by,
    CASE WHEN v.claimed_until > :now THEN v.claimed_until END AS claimed_until,
    (
        SELECT json_array(
            sum(CASE WHEN s.decided_by IS NOT NULL THEN 1 ELSE 0 END),
            sum(CASE WHEN s.decided_by IS NULL AND s.claimed_until > :now THEN 1 ELSE 0 END),
            max(s.seat)
        )
        FROM review_seats s WHERE s.request_id = v.request_id
    ) AS seats
FROM reviews v JOIN requests r ON r.id = v.request_id
WHERE v.status <> 'decided' AND {ARRIVED} AND {{why}}
    AND (:id = '' OR (1 - v.overturned, v.created_at, coalesce(v.place, -1), v.request_id) > (:least, :at, :place, :id))
ORDER BY v.overturned DESC, v.created_at, v.place NULLS FIRST, v.request_id LIMIT :limit
"""  # noqa: S608 - own text
_DECIDED = f"""
SELECT v.request_id, v.decided_at, v.reason, v.draw IS NOT NULL AS drawn, v.blind, r.model AS router, a.judge,
    (
        SELECT json_group_array(json_array(
            f.given_by, f.kind, c.member, f.created_at, f.candidate_id,
            (SELECT t.seat FROM review_seats t WHERE t.request_id = v.request_id AND t.feedback_id = f.id)
        ))
        FROM feedback f LEFT JOIN candidates c ON c.request_id = f.request_id AND c.id = f.candidate_id
        WHERE f.id = v.feedback_id
            OR f.id IN (SELECT s.feedback_id FROM review_seats s WHERE s.request_id = v.request_id)
    ) AS words
FROM reviews v JOIN requests r ON r.id = v.request_id LEFT JOIN audit_cases a ON a.request_id = v.request_id
WHERE v.status = 'decided' AND {ARRIVED} AND {{why}}
    AND (:id = '' OR (v.decided_at, v.request_id) < (:at, :id))
ORDER BY v.decided_at DESC, v.request_id DESC LIMIT :limit
"""  # noqa: S608 - own text
_COUNTS = "SELECT count(*), {sums} FROM reviews v JOIN requests r ON r.id = v.request_id WHERE {where}"


class After(NamedTuple):
    """The last row of the page before: ``least`` and ``place`` are of the queue alone."""

    id: str = ""
    at: str = ""
    least: int = 0
    place: int = -1


FIRST = After()
"""Before every row: there is no page before."""


def waiting(db: Database, window: Window, why: Why | None, after: After, limit: int, now: datetime) -> list[Row]:
    """What waits: overturned answers first, then the oldest, drawn ones in the order of the lot.

    ``seats`` of a blind one are how many have decided, how many are at it, and which is the last; None for others.
    """
    sql = _WAITING.format(why=_WHY[why] if why else "1 = 1")
    rows = db.query(sql, window.given | after._asdict() | {"limit": limit, "now": stamp(now)})
    return [_told(row, "seats") for row in rows]


def decided(db: Database, window: Window, why: Why | None, after: After, limit: int) -> list[Row]:
    """What was decided, the latest first, and the judge whose verdict is in force.

    ``words`` has alias, kind of finding, preferred member, time, preferred candidate and, if any, the seat of each.
    """
    sql = _DECIDED.format(why=_WHY[why] if why else "1 = 1")
    rows = db.query(sql, window.given | {"id": after.id, "at": after.at, "limit": limit})
    return [_told(row, "words") for row in rows]


def decided_count(db: Database, window: Window) -> int:
    """How many answers were decided."""
    where = f"v.status = 'decided' AND {ARRIVED}"
    return int(db.execute(_COUNTS.format(sums="0", where=where), window.given).fetchone()[0])


def counts(db: Database, window: Window) -> Mapping[Why | Literal["all"], int]:
    """How many answers wait, of all and by why they do; one may wait for several reasons."""
    sums = ", ".join(f"count(*) FILTER (WHERE {_WHY[why]})" for why in WHYS)
    where = f"v.status <> 'decided' AND {ARRIVED}"
    row = db.execute(_COUNTS.format(sums=sums, where=where), window.given).fetchone()
    return dict(zip(("all", *WHYS), row, strict=True))


def _told(row: Mapping[str, Any], tree: str) -> Row:
    told = {name: unbind(value) if isinstance(value, str) else value for name, value in row.items()}
    return told | {tree: loads(row[tree]) if row[tree] else None}
