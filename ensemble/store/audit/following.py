"""Which case a reviewer comes to next. Blocking."""

from datetime import datetime

from sqlite_utils import Database

from ensemble.store.content import bind, stamp
from ensemble.types import RequestId

_PLACE = "(1 - {0}.overturned, {0}.created_at, coalesce({0}.place, -1), {0}.request_id)"
_NEXT = f"""
SELECT v.request_id FROM reviews v LEFT JOIN reviews here ON here.request_id = :here
WHERE v.status <> 'decided' AND v.request_id <> :here
    AND CASE v.blind
        WHEN 0 THEN v.status = 'waiting' OR v.claimed_by = :by OR v.claimed_until <= :now
        ELSE EXISTS (
            SELECT 1 FROM review_seats s WHERE s.request_id = v.request_id AND s.decided_by IS NULL
                AND (s.claimed_by IS NULL OR s.claimed_by = :by OR s.claimed_until <= :now)
        ) AND NOT EXISTS (
            SELECT 1 FROM review_seats s WHERE s.request_id = v.request_id AND s.decided_by = :by
        ) END
ORDER BY here.request_id IS NULL OR {_PLACE.format("v")} > {_PLACE.format("here")} DESC,
    1 - v.overturned, v.created_at, coalesce(v.place, -1), v.request_id
LIMIT 1
"""  # noqa: S608 - own constants


def next_review(db: Database, here: str, by: str, now: datetime) -> RequestId | None:
    """The case of the queue after ``here`` that ``by`` may decide, the first one after the last; None where none is."""
    found = db.execute(_NEXT, {"here": here, "by": bind(by), "now": stamp(now)}).fetchone()
    return None if found is None else RequestId(found[0])
