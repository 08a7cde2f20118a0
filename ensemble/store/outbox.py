"""Events that wait for a webhook. Steps for ``Store.change`` and ``Store.read``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from uuid_utils import uuid7

from ensemble.store.content import bind, dumps, stamp, unbind
from ensemble.store.database import Database

Kind = Literal["review.created", "review.decided", "answer.overturned"]
FRESH = timedelta(days=3)
"""Events that are older are given up, so that a webhook which is new is not told of the whole past."""
KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One that is to be sent now: ``body`` is JSON as it is sent, ``attempt`` counts from 1."""

    id: str
    body: str
    attempt: int


def post(db: Database, kind: Kind, data: Mapping[str, object], now: datetime) -> None:
    """Put an event into the outbox, due at once, with type, timestamp and data as Standard Webhooks has them.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    at = stamp(now)
    body = dumps({"type": kind, "timestamp": at, "data": data}).decode()
    db.conn.execute("DELETE FROM outbox WHERE created_at < ?", [stamp(now - KEPT_FOR)])
    db.conn.execute(
        "INSERT INTO outbox (id, kind, created_at, body, attempts, next_at) VALUES (?, ?, ?, ?, 0, ?)",
        [f"msg_{uuid7()}", kind, at, bind(body), at],
    )


def due(db: Database, kinds: Sequence[Kind], now: datetime) -> bool:
    """Whether an event of ``kinds`` is to be sent, or given up for its age."""
    where, given = _due(kinds, now)
    return bool(db.execute(f"SELECT EXISTS (SELECT 1 FROM outbox WHERE {where})", given).fetchone()[0])  # noqa: S608


def take(db: Database, kinds: Sequence[Kind], now: datetime, lease: timedelta, limit: int) -> list[Event]:
    """The oldest events that are due, each with one attempt more.

    Nobody else gets them within ``lease``; whoever dies meanwhile leaves them to the next.
    """
    where, given = _due(kinds, now)
    sql = (
        "SELECT id, body, attempts + 1 FROM outbox "  # noqa: S608 - own conditions
        f"WHERE {where} AND created_at >= ? ORDER BY created_at, id LIMIT ?"
    )
    rows = db.execute(sql, [*given, stamp(now - FRESH), limit]).fetchall()
    found = [Event(id=i, body=unbind(body), attempt=n) for i, body, n in rows]
    db.conn.executemany(
        "UPDATE outbox SET attempts = ?, next_at = ? WHERE id = ?",
        [(event.attempt, stamp(now + lease), event.id) for event in found],
    )
    return found


def outlived(db: Database, kinds: Sequence[Kind], now: datetime) -> list[tuple[str, str | None]]:
    """Give up the events that are due and too old; each with what went wrong last, None where it was never tried."""
    where, given = _due(kinds, now)
    sql = f"SELECT id, problem FROM outbox WHERE {where} AND created_at < ? ORDER BY id"  # noqa: S608 - own conditions
    found = [(id_, problem and unbind(problem)) for id_, problem in db.execute(sql, [*given, stamp(now - FRESH)])]
    db.conn.executemany(
        "UPDATE outbox SET next_at = NULL, problem = coalesce(problem, 'too old') WHERE id = ?",
        [(id_,) for id_, _ in found],
    )
    return found


def delivered(db: Database, id_: str, now: datetime) -> None:
    """The webhook took it."""
    db.conn.execute(
        "UPDATE outbox SET delivered_at = ?, next_at = NULL, problem = NULL WHERE id = ?", [stamp(now), id_]
    )


def failed(db: Database, id_: str, problem: str, again: datetime | None) -> None:
    """It did not; try ``again`` then, or never."""
    db.conn.execute(
        "UPDATE outbox SET next_at = ?, problem = ? WHERE id = ?", [again and stamp(again), bind(problem), id_]
    )


def _due(kinds: Sequence[Kind], now: datetime) -> tuple[str, list[str]]:
    marks = ", ".join("?" * len(kinds))
    return f"next_at <= ? AND kind IN ({marks})", [stamp(now), *kinds]
