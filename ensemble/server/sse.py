"""Server-sent events: a stream that says something at once and never falls silent."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from aiohttp import web

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would hold the keep-alives back
}


class KeepAlive:
    """Sends ``beat`` at once and every ``seconds`` until the context is left. The response has been prepared."""

    def __init__(self, response: web.StreamResponse, seconds: float, beat: bytes) -> None:
        self._response = response
        self._beat = beat
        self._seconds = seconds
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._response.write(self._beat)
        await self._group.__aenter__()
        self._task = self._group.create_task(self._beating())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await self._group.__aexit__(kind, error, trace)

    async def _beating(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self._response.write(self._beat)
            except ConnectionResetError:
                return  # the client has gone: aiohttp cancels the handler, which decides what becomes of the work


async def send(response: web.StreamResponse, events: Iterable[bytes], *, most: int = 65536) -> None:
    """Write ``events``, many per packet but not more than about ``most`` bytes at once."""
    waiting, size = list[bytes](), 0
    for one in events:
        waiting.append(one)
        size += len(one)
        if size >= most:
            await response.write(b"".join(waiting))
            waiting, size = [], 0
    if waiting:
        await response.write(b"".join(waiting))
