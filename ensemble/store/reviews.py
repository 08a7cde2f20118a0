"""The queue of answers that wait for a person. Functions for ``Store.read`` and ``Store.change``."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from ensemble.store.api_keys import LINE
from ensemble.store.content import bind, bind_optional, stamp, unbind
from ensemble.store.database import Database
from ensemble.store.feedback import Noted, Refused, Statement, add
from ensemble.store.outbox import post
from ensemble.store.review_seats import THIRD, finish, free, occupy

Status = Literal["waiting", "claimed", "decided"]
CLAIMED_FOR = timedelta(hours=1)
"""How long an answer is kept for whoever claimed it."""
Review = Mapping[str, object]
"""A row of ``reviews`` with ``router``, ``member``, ``key_id`` and ``tenant`` of its request.

Who claimed a blind one is known of its seats alone: it waits as long as one of them is free. ``disputed`` says that
two have found differently, and that a third is to settle it, or has.
"""
_COLUMNS = f"""
SELECT v.request_id, v.created_at, v.reason, v.overturned,
    CASE
        WHEN v.status = 'decided' THEN 'decided'
        WHEN v.blind = 1 THEN CASE WHEN EXISTS (
            SELECT 1 FROM review_seats s WHERE s.request_id = v.request_id AND s.decided_by IS NULL
                AND (s.claimed_by IS NULL OR s.claimed_until <= :now)
        ) THEN 'waiting' ELSE 'claimed' END
        WHEN v.status = 'claimed' AND v.claimed_until <= :now THEN 'waiting'
        ELSE v.status
    END AS status,
    v.claimed_by, v.claimed_until, v.decided_by, v.decided_at, v.feedback_id,
    v.draw, v.stratum, v.probability, v.place, v.blind,
    EXISTS (SELECT 1 FROM review_seats s WHERE s.request_id = v.request_id AND s.seat = {THIRD}) AS disputed,
    r.model AS router, r.member, r.key_id, r.tenant
FROM reviews v JOIN requests r ON r.id = v.request_id
"""  # noqa: S608 - own text
SEEN = f"(:all OR r.key_id IN ({LINE.format(what='id')}) OR r.tenant = :tenant)"
"""A condition on ``requests r``, with the parameters ``given_by``."""
_PLACE = "(1 - {0}.overturned, {0}.created_at, coalesce({0}.place, -1), {0}.request_id)"
_NEXT = f"""
SELECT v.request_id FROM reviews v JOIN requests r ON r.id = v.request_id
LEFT JOIN reviews here ON here.request_id = :here
WHERE v.status <> 'decided' AND v.request_id <> :here AND {SEEN}
    AND CASE v.blind WHEN 0 THEN v.claimed_by IS NULL OR v.claimed_until <= :now OR v.claimed_by = :by
    ELSE
        NOT EXISTS (SELECT 1 FROM review_seats s WHERE s.request_id = v.request_id AND s.decided_by = :by)
        AND EXISTS (
            SELECT 1 FROM review_seats s WHERE s.request_id = v.request_id AND s.decided_by IS NULL
                AND (s.claimed_by IS NULL OR s.claimed_until <= :now OR s.claimed_by = :by)
                AND CASE s.seat WHEN {THIRD} THEN CAST(:settles AS INTEGER) ELSE CAST(:votes AS INTEGER) END = 1
        )
    END
ORDER BY here.request_id IS NULL OR {_PLACE.format("v")} > {_PLACE.format("here")} DESC,
    v.overturned DESC, v.created_at, v.place NULLS FIRST, v.request_id LIMIT 1
"""  # noqa: S608 - own text


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Whose requests a caller sees: those of a key, of all that it replaces, and of a tenant."""

    key: str
    tenant: str | None


def given_by(sight: Sight | None) -> dict[str, object]:
    """The parameters of ``SEEN``; None sees all."""
    if sight is None:
        return {"all": True, "key": None, "tenant": None}
    return {"all": False, "key": sight.key, "tenant": bind_optional(sight.tenant)}


def reviews(db: Database, now: datetime, *, decided: bool, sight: Sight | None, limit: int) -> list[Review]:
    """What waits, overturned answers first and then the oldest; or what was ``decided``, the latest first.

    ``sight`` is None for whoever sees all.
    """
    given = {"now": stamp(now), "limit": limit, **given_by(sight)}
    order = "v.decided_at DESC" if decided else "v.overturned DESC, v.created_at, v.place NULLS FIRST, v.request_id"
    which = "=" if decided else "<>"
    sql = f"{_COLUMNS} WHERE v.status {which} 'decided' AND {SEEN} ORDER BY {order} LIMIT :limit"
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


def claim(db: Database, id_: str, by: str, now: datetime, adjudicators: Collection[str] = ()) -> Review | Refused:
    """Keep an answer for ``by``, so that no two look at the same; claiming again prolongs it.

    ``adjudicators``, here and below, are as in ``review_seats.free``.
    """
    row = _free(db, id_, by, now)
    if isinstance(row, Refused):
        return row
    until = now + CLAIMED_FOR
    if row["blind"]:
        seat = free(db, id_, by, now, adjudicators)
        if isinstance(seat, Refused):
            return seat
        occupy(db, id_, seat, by, until)
    else:
        db.conn.execute(
            "UPDATE reviews SET status = 'claimed', claimed_by = ?, claimed_until = ? WHERE request_id = ?",
            [bind(by), stamp(until), id_],
        )
    return {**row, "status": "claimed", "claimed_by": by, "claimed_until": stamp(until)}


def next_review(
    db: Database, by: str, now: datetime, sight: Sight | None, here: str = "", adjudicators: Collection[str] = ()
) -> str | None:
    """Id of what ``by`` is to look at after ``here``: the first that is free, or his; after the last one the first."""
    settles = by in adjudicators
    seats = {"settles": int(settles or not adjudicators), "votes": int(not settles)}
    given = {"now": stamp(now), "by": bind(by), "here": here} | seats
    found = db.execute(_NEXT, given | given_by(sight)).fetchone()
    return None if found is None else str(found[0])


def flag(db: Database, id_: str, by: str, now: datetime) -> Refused | None:
    """Have ``by`` send an answer to the queue; one that is or was there stays as it is."""
    said = {"id": id_, "now": stamp(now), "reason": bind(f"flagged by {by}")}
    if not db.execute("SELECT EXISTS (SELECT 1 FROM requests WHERE id = ?)", [id_]).fetchone()[0]:
        return Refused("unknown", "id", f"the log has no request {id_!r}")
    db.conn.execute(
        "INSERT INTO reviews (request_id, created_at, reason, overturned, status) "
        "VALUES (:id, :now, :reason, 0, 'waiting') ON CONFLICT DO NOTHING",
        said,
    )
    return None


def decide(db: Database, statement: Statement, now: datetime, adjudicators: Collection[str] = ()) -> Noted | Refused:
    """Store what a person found as feedback, and take the answer out of the queue, both or nothing.

    A blind one leaves the queue with the second finding or, where the two differ, with the third. What was drawn is
    marked with its probability.
    """
    id_, by = statement.request or "", statement.given_by
    row = _free(db, id_, by, now)
    if isinstance(row, Refused):
        return row
    seat = free(db, id_, by, now, adjudicators) if row["blind"] else None
    if isinstance(seat, Refused):
        return seat
    noted = add(db, replace(statement, probability=cast("float | None", row["probability"])))
    if isinstance(noted, Refused) or not (seat is None or finish(db, id_, seat, by, now, noted.id)):
        return noted
    db.conn.execute(
        "UPDATE reviews SET status = 'decided', decided_by = ?, decided_at = ?, feedback_id = ? WHERE request_id = ?",
        [bind(by), stamp(now), noted.id, id_],
    )
    found = [remark.kind for remark in statement.remarks if remark.kind in ("preferred", "tie", "all_bad")]
    finding = found[0] if found else "cannot_tell"
    post(db, "review.decided", {"request_id": id_, "finding": finding, "feedback_id": noted.id}, now)
    return noted


def _free(db: Database, id_: str, by: str, now: datetime) -> Review | Refused:
    """The row, unless ``by`` may not have it: it is decided, or it has one seat and somebody else is on it."""
    row = review(db, id_, now)
    if row is None:
        return Refused("unknown", "id", f"nothing of request {id_!r} waits for a review")
    if row["status"] == "decided":
        return Refused(
            "conflict", "id", f"request {id_} was decided at {row['decided_at']}; feedback adds a word to it"
        )
    if row["status"] == "claimed" and not row["blind"] and row["claimed_by"] != by:
        told = f"request {id_} is claimed until {row['claimed_until']} by somebody else; take another one"
        return Refused("conflict", "id", told)
    return row


def _told(row: Mapping[str, Any]) -> Review:
    told = {name: unbind(value) if isinstance(value, str) else value for name, value in row.items()}
    return told | {
        "overturned": bool(row["overturned"]),
        "blind": bool(row["blind"]),
        "disputed": bool(row["disputed"]),
    }
