"""Server-sent events: their headers, and how they are written."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress

from aiohttp import web

from ensemble.dialects.openai_chat import KEEP_ALIVE
from ensemble.events import Event, Listener

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would hold the keep-alives back
}


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


async def follow(
    request: web.Request,
    work: Callable[[Listener], Awaitable[bytes]],
    frames: Callable[[Event], Awaitable[Iterable[bytes]]],
    *,
    headers: Mapping[str, str],
    keepalive_s: float,
) -> web.StreamResponse:
    """A reply that tells, as ``frames``, of each event that ``work`` makes, and ends with what it returns.

    ``work`` tells its errors itself, since the status has been sent by then.
    """
    response = web.StreamResponse(headers={**HEADERS, **headers})
    news: asyncio.Queue[Event | None] = asyncio.Queue()  # no more than the plan has calls and verdicts
    try:
        await response.prepare(request)
        await response.write(KEEP_ALIVE)
    except ConnectionResetError:
        return response  # the client has gone before anything was asked
    async with asyncio.TaskGroup() as group:
        group.create_task(_telling(response, news, frames, keepalive_s))
        outcome = await work(news.put_nowait)
        news.put_nowait(None)
    with suppress(ConnectionResetError):  # the client has gone; the answer is in the log
        await response.write(outcome)
        await response.write_eof()
    return response


async def _telling(
    response: web.StreamResponse,
    news: asyncio.Queue[Event | None],
    frames: Callable[[Event], Awaitable[Iterable[bytes]]],
    keepalive_s: float,
) -> None:
    event: Event | None
    # A writer that waits while the connection breaks is told a plain ConnectionError, of which a group would make an
    # error of the server, before the cancellation.
    with suppress(ConnectionError):  # the client has gone: aiohttp cancels the handler
        while True:
            try:
                async with asyncio.timeout(keepalive_s):
                    event = await news.get()
            except TimeoutError:
                await response.write(KEEP_ALIVE)
                continue
            if event is None:
                return
            await send(response, await frames(event))
