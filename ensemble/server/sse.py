"""Server-sent events: their headers, and how they are written."""

from collections.abc import Iterable

from aiohttp import web

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
