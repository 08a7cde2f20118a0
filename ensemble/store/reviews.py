"""The queue of answers that wait for a person. Functions for ``Store.read`` and ``Store.change``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlite_utils import Database

from ensemble.store.content import bind, stamp, unbind
from ensemble.store.feedback import Noted, Refused, Statement, add
from ensemble.store.outbox import post

Status = Literal["waiting", "claimed", "decided"]
CLAIMED_FOR = timedelta(hours=1)
"""How long an answer is kept for whoever claimed it."""
Review = Mapping[str, object]
"""A row of ``reviews`` with ``router``, ``member``, ``key_id`` and ``tenant`` of its request."""
_COLUMNS = """
SELECT v.request_id, v.created_at, v.reason, v.overturned,
    CASE WHEN v.status = 'claimed' AND v.claimed_until <= :now THEN 'waiting' ELSE v.status END AS status,
    v.claimed_by, v.claimed_until, v.decided_by, v.decided_at, v.feedback_id,
    r.model AS router, r.member, r.key_id, r.tenant
FROM reviews v JOIN requests r ON r.id = v.request_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Whose requests a caller sees: those of a key and of a tenant."""

    key: str
    tenant: str | None


def reviews(db: Database, now: datetime, *, decided: bool, sight: Sight | None, limit: int) -> list[Review]:
    """What waits, overturned answers first and then the oldest; or what was ``decided``, the latest first.

    ``sight`` is None for whoever sees all.
    """
    given: dict[str, object] = {"now": stamp(now), "limit": limit}
    seen = ""
    if sight is not None:
        given |= {"key": sight.key, "tenant": None if sight.tenant is None else bind(sight.tenant)}
        seen = "AND (r.key_id = :key OR r.tenant = :tenant)"
    order = "v.decided_at DESC" if decided else "v.overturned DESC, v.created_at, v.request_id"
    which = "=" if decided else "<>"
    sql = f"{_COLUMNS} WHERE v.status {which} 'decided' {seen} ORDER BY {order} LIMIT :limit"
    return [_told(row) for row in db.query(sql, given)]


def review(db: Database, id_: str, now: datetime) -> Review | None:
    """The row of one request, or None where nothing of it was queued."""
    return next(
        (_told(row) for row in db.query(f"{_COLUMNS} WHERE v.request_id = :id", {"id": id_, "now": stamp(now)})), None
    )


def waiting(db: Database) -> Mapping[bool, int]:
    """How many answers wait, by whether they were overturned."""
    sql = "SELECT overturned, count(*) FROM reviews WHERE status <> 'decided' GROUP BY overturned"
    counted = {bool(overturned): count for overturned, count in db.execute(sql).fetchall()}
    return {overturned: counted.get(overturned, 0) for overturned in (False, True)}


def claim(db: Database, id_: str, by: str, now: datetime) -> Review | Refused:
    """Keep an answer for ``by``, so that no two look at the same; claiming again prolongs it."""
    if refused := _taken(db, id_, by, now):
        return refused
    db.conn.execute(
        "UPDATE reviews SET status = 'claimed', claimed_by = ?, claimed_until = ? WHERE request_id = ?",
        [bind(by), stamp(now + CLAIMED_FOR), id_],
    )
    return review(db, id_, now) or _unknown(id_)


def decide(db: Database, statement: Statement, now: datetime) -> Noted | Refused:
    """Store what a person found as feedback, and take the answer out of the queue, both or nothing."""
    id_ = statement.request or ""
    if refused := _taken(db, id_, statement.given_by, now):
        return refused
    noted = add(db, statement)
    if isinstance(noted, Refused):
        return noted
    db.conn.execute(
        "UPDATE reviews SET status = 'decided', decided_by = ?, decided_at = ?, feedback_id = ? WHERE request_id = ?",
        [bind(statement.given_by), stamp(now), noted.id, id_],
    )
    found = [remark.kind for remark in statement.remarks if remark.kind in ("preferred", "tie", "all_bad")]
    finding = found[0] if found else "cannot_tell"
    post(db, "review.decided", {"request_id": id_, "finding": finding, "feedback_id": noted.id}, now)
    return noted


def _taken(db: Database, id_: str, by: str, now: datetime) -> Refused | None:
    """Why ``by`` may not have this answer."""
    row = review(db, id_, now)
    if row is None:
        return _unknown(id_)
    if row["status"] == "decided":
        return Refused(
            "conflict", "id", f"request {id_} was decided at {row['decided_at']}; feedback adds a word to it"
        )
    if row["status"] == "claimed" and row["claimed_by"] != by:
        told = f"request {id_} is claimed until {row['claimed_until']} by somebody else; take another one"
        return Refused("conflict", "id", told)
    return None


def _unknown(id_: str) -> Refused:
    return Refused("unknown", "id", f"nothing of request {id_!r} waits for a review")


def _told(row: Mapping[str, Any]) -> Review:
    told = {name: unbind(value) if isinstance(value, str) else value for name, value in row.items()}
    return told | {"overturned": bool(row["overturned"])}
