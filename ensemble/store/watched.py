"""What the watch on a served router saw and decided, row by row. Blocking."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from ensemble.store.content import stamp
from ensemble.store.database import Database
from ensemble.types import RequestId

Event = Literal["label", "anchor", "demoted", "judge_drift", "promoted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Which router is watched by which judge: its name, and the digests of both."""

    router: str
    digest: str
    judge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One row, apart from what it is about; the columns are those of ``watched``."""

    event: Event
    request: RequestId | None = None
    task: str = ""
    value: float = 0.0
    why: str = ""
    at: str = ""
    id: int = 0


def note(db: Database, about: Watched, seen: Seen) -> None:
    """Store one row, now."""
    db.conn.execute(
        "INSERT INTO watched (router, digest, judge, at, event, request_id, task, value, why) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            about.router,
            about.digest,
            about.judge,
            stamp(datetime.now(UTC)),
            seen.event,
            seen.request,
            seen.task or None,
            seen.value if seen.request else None,
            seen.why,
        ],
    )


def seen_since(db: Database, about: Watched, after: int) -> list[Seen]:
    """The rows with an id above ``after`` that still count, in order: from the latest promotion on."""
    key = [about.router, about.digest, about.judge]
    where = "router = ? AND digest = ? AND judge = ?"
    (promoted,) = db.execute(
        f"SELECT coalesce(max(id), 0) FROM watched WHERE {where} AND event = 'promoted'",  # noqa: S608 - own constant
        key,
    ).fetchone()
    rows = db.execute(
        "SELECT id, event, request_id, coalesce(task, ''), coalesce(value, 0), why, at FROM watched "  # noqa: S608
        f"WHERE {where} AND id > ? AND id >= ? ORDER BY id",
        [*key, after, promoted],
    )
    return [
        Seen(id=id_, event=event, request=request, task=task, value=value, why=why, at=at)
        for id_, event, request, task, value, why, at in rows
    ]
