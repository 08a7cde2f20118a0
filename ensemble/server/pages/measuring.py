"""Routers measured for their page: away from the loop, one time after another, and kept while the log stays as it was.

A measurement takes seconds, so a page shows what is known and says what is under way.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

from sqlite_utils import Database

from ensemble.audit.routers import Measured, labels, without_routers
from ensemble.audit.shapes import Window
from ensemble.config import Settings
from ensemble.errors import ConfigError, InvalidRequest
from ensemble.evaluating import Task, measure
from ensemble.router import ROUTERS, Router
from ensemble.store.audit.drawn import Drawn, version
from ensemble.training.held import Held
from judges.registry import ModelName, obstacles

T = TypeVar("T")
WAIT_S = 4.0
"""Seconds that a page waits for a measurement; then it says that one is under way."""
REST = 20
"""A measurement is not repeated before this many times its own duration have passed, whatever is new in the log."""
MOST = 16
"""Windows that are kept."""


class Log(Protocol):
    """What is read."""

    async def read(self, question: Callable[[Database], T]) -> T:
        """Answer ``question`` from one snapshot, in a worker thread. Raises StoreError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a page can show: ``found`` is None while the first measurement is under way; ``at`` is when it was made."""

    found: Measured | None
    at: datetime | None
    under_way: bool


@dataclass(frozen=True, slots=True)
class _Kept:
    found: Measured
    version: tuple[int, int]
    settings: Settings | None
    at: datetime
    ended: float
    took: float


class Measuring:
    """The measurements of one log. Use it on one event loop, and close it."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._kept: dict[Window, _Kept] = {}
        self._tasks: dict[Window, asyncio.Task[_Kept]] = {}
        self._one = asyncio.Lock()

    async def of(self, window: Window, settings: Settings | None, wait_s: float = WAIT_S) -> Shown:
        """The routers of ``settings`` on the labels of ``window``; without settings members and baselines alone.

        Raises:
            StoreError: the log cannot be read.
        """
        seen = await self._log.read(version)
        kept = self._kept.get(window)
        if kept is not None and kept.settings is settings:
            same = kept.version == seen
            if same or time.monotonic() - kept.ended < REST * kept.took:
                return Shown(found=kept.found, at=kept.at, under_way=False)
        task = self._tasks.get(window)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._measure(window, settings))
            self._tasks[window] = task
        # Not awaited itself: who leaves the page must not end what others wait for.
        done, _ = await asyncio.wait({task}, timeout=wait_s)
        if done:
            kept = task.result()
        return Shown(found=kept.found if kept else None, at=kept.at if kept else None, under_way=not done)

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _measure(self, window: Window, settings: Settings | None) -> _Kept:
        try:
            async with self._one:
                began, at = time.monotonic(), datetime.now(UTC)
                seen = await self._log.read(version)
                found = await self._found(window, settings)
                ended = time.monotonic()
                kept = _Kept(found, seen, settings, at, ended, ended - began)
        finally:
            del self._tasks[window]
        self._kept.pop(window, None)
        while len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[window] = kept
        return kept

    async def _found(self, window: Window, settings: Settings | None) -> Measured:
        if settings is None:
            return await self._log.read(lambda db: without_routers(db, window))
        held, sample = await self._log.read(lambda db: labels(db, window))
        return await asyncio.to_thread(measured, held, sample, settings)


def measured(held: Held, sample: Drawn, settings: Settings) -> Measured:
    """The routers of ``settings`` that ask no model, on ``held``. Blocks, and runs a loop of its own."""
    routers, left_out = _made(settings)
    task = Task(data=Path(settings.store.path), routers=routers, settings=settings, curves=True)
    try:
        # Plans are made by the thousand, and clients must not wait for them on theirs.
        found = asyncio.run(measure(task, held))
    except (ConfigError, InvalidRequest) as error:
        return Measured(drawn=sample, why=str(error), left_out=left_out)
    return Measured(drawn=sample, report=found.report, curves=found.curves, left_out=left_out)


def _made(settings: Settings) -> tuple[dict[str, Router], dict[str, str]]:
    """Routers made anew and loaded, since those that serve belong to another loop; why others are left out."""
    routers, left_out = dict[str, Router](), dict[str, str]()
    for name, served in settings.routers.items():
        asked = sorted({str(model) for _, model in served.references() if isinstance(model, ModelName)})
        if asked:
            left_out[name] = f"it asks {', '.join(asked)}, which `ensemble evaluate --call` does"
            continue
        router = ROUTERS.build(served.model_dump())
        if problems := obstacles(router):
            left_out[name] = "; ".join(told for _, told in problems)
        else:
            routers[name] = router
    return routers, left_out
