"""Events that wait for a webhook. Steps for ``Store.change`` and ``Store.read``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlite_utils import Database
from uuid_utils import uuid7

from ensemble.store.content import bind, dumps, stamp, unbind

Kind = Literal["review.created", "review.decided", "answer.overturned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One that is due: ``body`` is JSON as it is sent, ``attempts`` were made before."""

    id: str
    body: str
    attempts: int
    created_at: datetime


def post(db: Database, kind: Kind, data: Mapping[str, object], now: datetime) -> None:
    """Put an event into the outbox, due at once, with type, timestamp and data as Standard Webhooks has them.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    at = stamp(now)
    body = dumps({"type": kind, "timestamp": at, "data": data}).decode()
    db.conn.execute(
        "INSERT INTO outbox (id, kind, created_at, body, attempts, next_at) VALUES (?, ?, ?, ?, 0, ?)",
        [f"msg_{uuid7()}", kind, at, bind(body), at],
    )


def unwrapped(body: str) -> str:
    """A body as it was before it was stored."""
    return unbind(body)
