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
"""Events that are older are sent no more, so that a webhook which is new is not told of the whole past."""
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
    """Whether an event of ``kinds`` is to be sent."""
    where, given = _due(kinds, now)
    return bool(db.execute(f"SELECT EXISTS (SELECT 1 FROM outbox WHERE {where})", given).fetchone()[0])  # noqa: S608


def take(db: Database, kinds: Sequence[Kind], now: datetime, lease: timedelta, limit: int) -> list[Event]:
    """The oldest events that are due, each with one attempt more.

    Nobody else gets them within ``lease``; whoever dies meanwhile leaves them to the next.
    """
    where, given = _due(kinds, now)
    sql = f"SELECT id, body, attempts + 1 FROM outbox WHERE {where} ORDER BY created_at, id LIMIT ?"  # noqa: S608
    found = [Event(id=i, body=unbind(body), attempt=n) for i, body, n in db.execute(sql, [*given, limit]).fetchall()]
    db.conn.executemany(
        "UPDATE outbox SET attempts = ?, next_at = ? WHERE id = ?",
        [(event.attempt, stamp(now + lease), event.id) for event in found],
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
    return f"next_at <= ? AND created_at >= ? AND kind IN ({marks})", [stamp(now), stamp(now - FRESH), *kinds]
