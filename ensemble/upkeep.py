"""What a service does to its log in the background: search indexes, facts, texts that expire, spilled records.

It gives way to requests: while the process has its hands full, it waits for a while.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from ensemble.errors import StoreError
from ensemble.place import PLACE, Place
from ensemble.store import Store
from ensemble.store.audit.facts import make, store_facts
from ensemble.store.keeping.erase import expire, old
from ensemble.store.keeping.search import catch_up

log = logging.getLogger(__name__)
T = TypeVar("T")

EVERY_S = 30.0
"""Seconds between two rounds."""
DAY_S = 86_400.0
_INDEXED, _EXPIRED, _DERIVED = 50, 100, 100
"""Rows of a first step; each step is a change that the writer makes between two batches of records."""
_MOST_INDEXED, _MOST_DERIVED = 1_600, 400
_STEP_S, _MADE_S = 0.01, 0.04
"""Texts differ in length: so many rows a step has at most, and so long it takes, be it the writer's of an index, or of
facts, of which most is a reader's."""
_ASIDE = 16
"""Among how many steps ahead one is chosen by a process that finds its work done by another."""
_REST_S = 0.05
"""Seconds between two steps, in which the writer is free."""
FULL = 0.5
"""Of one core: a process that uses more for requests is left alone."""
PATIENCE_S = 45.0
"""For which a round gives way to requests in all, so that facts are there within ``audit.shadow.LATE`` all the same."""


@asynccontextmanager
async def upkeep(
    store: Store, keep_for: timedelta | None = None, *, cpu_s: Callable[[], float] = time.process_time
) -> AsyncIterator[None]:
    """Look after ``store`` while the context is open; texts expire ``keep_for`` after their request arrived.

    Of several workers the one does it that leads; each takes in what was spilled. ``cpu_s`` tells the seconds that
    this process has computed so far.
    """
    task = asyncio.get_running_loop().create_task(_rounds(store, keep_for, PLACE.get(), cpu_s))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _rounds(store: Store, keep_for: timedelta | None, place: Place, cpu_s: Callable[[], float]) -> None:
    loop = asyncio.get_running_loop()
    pruned = -DAY_S
    while True:
        try:
            await store.settle()
            if place.leads():
                if keep_for is not None and loop.time() - pruned >= DAY_S:
                    await prune(store, datetime.now(UTC) - keep_for)
                    pruned = loop.time()
                # Beside each other: where texts come faster than they are indexed, facts must not wait for the end.
                async with asyncio.TaskGroup() as group:
                    group.create_task(index(store, _giving_way(cpu_s)))
                    group.create_task(derive(store, _giving_way(cpu_s)))
        except* StoreError as errors:
            log.warning("the upkeep of the log waits: %s", errors.exceptions[0])
        except* Exception:
            log.exception("the upkeep of the log failed")  # a bug in one part of it, which must not end all others
        await asyncio.sleep(EVERY_S)


def _giving_way(cpu_s: Callable[[], float]) -> Callable[[], Awaitable[None]]:
    """A rest between two steps that lasts while the process is busy, until patience is used up.

    With requests, that is: steps of the other kind beside it are too short and too far apart to fill half a core.
    """
    patience = PATIENCE_S

    async def rest() -> None:
        nonlocal patience
        loop = asyncio.get_running_loop()
        busy = True
        while busy:
            began, used = loop.time(), cpu_s()
            await asyncio.sleep(_REST_S)
            took = loop.time() - began
            busy = patience > 0 and cpu_s() - used > FULL * took
            patience -= took if busy else 0.0

    return rest


async def _pause() -> None:
    await asyncio.sleep(_REST_S)


async def index(store: Store, rest: Callable[[], Awaitable[None]] = _pause) -> None:
    """Bring the search indexes up to date, in small steps, with a ``rest`` after each."""
    more, rows = 1, _INDEXED
    while more:
        more, took = await store.change(lambda db, rows=rows: _timed(lambda: catch_up(db, rows)))  # type: ignore[misc]
        rows = _paced(rows, took / _STEP_S, _MOST_INDEXED)
        await rest()


def _paced(rows: int, took: float, most: int) -> int:
    """Rows of the next step, where one of ``rows`` took so many times as long as it may."""
    if took > 1:
        return max(rows // 2, 1)
    return min(rows * 2, most) if took < 1 / 2 else rows


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """What ``work`` comes to, and the seconds that it took."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


async def derive(store: Store, rest: Callable[[], Awaitable[None]] = _pause) -> None:
    """Bring the facts for the audit up to date, in small steps; texts are compared by a reader, not by the writer.

    Where another process is at the same ones, this one goes on somewhere behind them.
    """
    skip, rows = 0, _DERIVED
    while True:
        made, reading = await store.read(
            lambda db, rows=rows, skip=skip: _timed(lambda: make(db, rows, skip))  # type: ignore[misc]
        )
        if not made.done and not skip:
            return
        struck, writing = 0, 0.0
        if made.done:
            struck, writing = await store.change(lambda db, made=made: _timed(lambda: store_facts(db, made)))  # type: ignore[misc]
        late = struck < len(made.done) / 2
        skip = random.randrange(_ASIDE) * rows if late else 0  # noqa: S311 - no secret
        rows = _paced(rows, (reading + writing) / _MADE_S, _MOST_DERIVED)
        await rest()


async def prune(store: Store, before: datetime) -> int:
    """Take the texts out of everything that arrived ``before``, in small steps; return how many requests."""
    after: tuple[str, str] | None = ("", "")
    count = 0
    while after is not None:
        at = after
        ids, after = await store.read(lambda db, at=at: old(db, before, at, _EXPIRED))  # type: ignore[misc]
        if ids:
            await store.change(lambda db, ids=ids: expire(db, ids))  # type: ignore[misc]
            count += len(ids)
            await asyncio.sleep(_REST_S)
    if count:
        log.info("%d requests lost their texts: they arrived before %s", count, before.date())
    return count
