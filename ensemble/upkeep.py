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

from ensemble.errors import StoreError
from ensemble.place import PLACE, Place
from ensemble.store import Store
from ensemble.store.audit.facts import make, store_facts
from ensemble.store.database import Database
from ensemble.store.keeping.erase import expire, old
from ensemble.store.keeping.search import catch_up

log = logging.getLogger(__name__)

EVERY_S = 30.0
"""Seconds between two rounds."""
DAY_S = 86_400.0
_INDEXED, _EXPIRED, _DERIVED = 50, 100, 100
"""Most rows of one step; each step is a change that the writer makes between two batches of records."""
_MOST_INDEXED, _STEP_S = 1_600, 0.01
"""Texts differ in length: so many rows a step of the index has at most, and in its change it takes so long."""
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
        more, took = await store.change(lambda db, rows=rows: _indexed(db, rows))  # type: ignore[misc]
        if took > _STEP_S:
            rows = max(rows // 2, 1)
        elif took < _STEP_S / 2:
            rows = min(rows * 2, _MOST_INDEXED)
        await rest()


def _indexed(db: Database, rows: int) -> tuple[int, float]:
    """How many texts a step put into the indexes, and the seconds that it took."""
    began = time.perf_counter()
    return catch_up(db, rows), time.perf_counter() - began


async def derive(store: Store, rest: Callable[[], Awaitable[None]] = _pause) -> None:
    """Bring the facts for the audit up to date, in small steps; texts are compared by a reader, not by the writer.

    Where another process is at the same ones, this one goes on somewhere behind them.
    """
    skip = 0
    while True:
        made = await store.read(lambda db, skip=skip: make(db, _DERIVED, skip))  # type: ignore[misc]
        if not made.done and not skip:
            return
        struck = await store.change(lambda db, made=made: store_facts(db, made)) if made.done else 0  # type: ignore[misc]
        late = struck < len(made.done) / 2
        skip = random.randrange(_ASIDE) * _DERIVED if late else 0  # noqa: S311 - no secret
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
