"""What goes into the queue for people, and the event that tells of it: steps of a transaction of the log."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ensemble.store.content import bind, stamp
from ensemble.store.database import Database
from ensemble.store.outbox import Kind, post
from ensemble.store.rows import Rows

RECENT = timedelta(days=1)
"""Answers that are older when they are overturned, as by a label run over old traffic, are nobody's to mend."""
_QUEUE = """
INSERT INTO reviews (request_id, created_at, reason, overturned, status)
SELECT id, :now, :reason, :overturned, 'waiting' FROM requests
WHERE id = :id AND status = 'answered' AND source = 'served' AND arrived_at >= :since
ON CONFLICT (request_id) DO UPDATE SET overturned = 1, reason = reviews.reason || '; ' || excluded.reason
WHERE excluded.overturned = 1 AND reviews.overturned = 0 AND reviews.status <> 'decided'
"""


def queue_reviews(db: Database, batch: Sequence[Rows]) -> None:
    """Queue the answers of ``batch``, all of which have a reason; what a person has decided stays decided."""
    for rows in batch:
        now = datetime.now(UTC)
        said = {
            "id": rows.request,
            "now": stamp(now),
            "since": stamp(now - RECENT),
            "reason": bind(rows.review or ""),
            "overturned": int(rows.overturned),
        }
        if db.conn.execute(_QUEUE, said).rowcount:
            kind: Kind = "answer.overturned" if rows.overturned else "review.created"
            post(db, kind, {"request_id": rows.request, "router": rows.router, "reason": rows.review}, now)
