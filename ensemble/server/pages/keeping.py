"""Figures that take seconds: found apart from the page that asks for them, one after another, and kept.

They are found again when the log says more; until then, and while that goes on, a page shows what is known.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Generic, TypeVar

from aiohttp import web

from ensemble.audit.shapes import Window
from ensemble.config import Settings
from ensemble.server.pages.frame import LOG, Log, settings_of, window_of
from ensemble.store.audit.drawn import Version, version

T = TypeVar("T")
WAIT_S = 4.0
"""Seconds that a page waits for figures; then it says that they are under way."""
DOWNLOAD_S = 60.0
"""Seconds that a download waits for them: it cannot be looked at again."""
REST = 20
"""How long figures are shown whatever is new in the log, in times of what they took: a fair share of a core."""
QUICK_S = 0.5
"""What takes less is found again at once."""
MOST = 16
"""Windows that are kept."""

Find = Callable[[Window, Settings | None], Awaitable[T]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown(Generic[T]):
    """What a page can show: ``found`` is None while it is first looked for; ``at`` is when the log was read for it."""

    found: T | None
    at: datetime | None
    under_way: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept(Generic[T]):
    found: T
    version: Version
    settings: Settings | None
    at: datetime
    ended: float
    took: float

    def holds(self, seen: Version, settings: Settings | None, rest: float) -> bool:
        fresh = self.took >= QUICK_S and time.monotonic() - self.ended < rest * self.took
        return self.settings is settings and (fresh or self.version == seen)


class Keeper(Generic[T]):
    """What ``find`` finds in one log, by window. Use it on one event loop, and close it.

    What took more than ``QUICK_S`` is not found again before ``rest`` times that has passed.
    """

    def __init__(self, log: Log, find: Find[T], *, rest: float = REST) -> None:
        self._log, self._find, self._rest = log, find, rest
        self._kept: dict[Window, _Kept[T]] = {}
        self._tasks: dict[Window, asyncio.Task[_Kept[T]]] = {}
        self._failed: dict[Window, BaseException] = {}
        self._one = asyncio.Lock()

    async def of(self, window: Window, settings: Settings | None, wait_s: float = WAIT_S) -> Shown[T]:
        """The figures of ``window`` with the configuration ``settings``, None where there is none.

        Raises:
            StoreError: the log cannot be read.
            Exception: what ``find`` raises.
        """
        kept = self._kept.get(window)
        if kept is not None and kept.holds(await self._log.read(version), settings, self._rest):
            return Shown(found=kept.found, at=kept.at, under_way=False)
        if (failed := self._failed.pop(window, None)) is not None:
            raise failed
        task = self._tasks.get(window)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._look(window, settings))
            task.add_done_callback(partial(self._ended, window))
            self._tasks[window] = task
        # Not awaited itself: who leaves the page must not end what others wait for.
        done, _ = await asyncio.wait({task}, timeout=wait_s)
        if done:
            self._failed.pop(window, None)
            kept = task.result()
        return Shown(found=kept.found if kept else None, at=kept.at if kept else None, under_way=not done)

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _ended(self, window: Window, task: asyncio.Task[_Kept[T]]) -> None:
        """Keep what went wrong for who asks next, in case nobody waits for it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed[window] = error

    async def _look(self, window: Window, settings: Settings | None) -> _Kept[T]:
        try:
            async with self._one:
                began, at = time.monotonic(), datetime.now(UTC)
                seen = await self._log.read(version)
                found = await self._find(window, settings)
                ended = time.monotonic()
        finally:
            del self._tasks[window]
        kept = _Kept(found=found, version=seen, settings=settings, at=at, ended=ended, took=ended - began)
        self._kept.pop(window, None)
        while len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[window] = kept
        return kept


def keep(pages: web.Application, key: web.AppKey[Keeper[T]], find: Find[T]) -> None:
    """Put a keeper of what ``find`` finds into the application, and close it with that."""
    keeper = pages[key] = Keeper(pages[LOG], find)

    async def end(_: web.Application) -> None:
        await keeper.close()

    pages.on_cleanup.append(end)


async def kept_for(request: web.Request, key: web.AppKey[Keeper[T]]) -> Shown[T]:
    """The figures of the request's window, by the configuration in force where one is known."""
    patience = DOWNLOAD_S if "table" in request.match_info else WAIT_S
    return await request.app[key].of(window_of(request), settings_of(request), patience)
