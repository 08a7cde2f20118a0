"""Streams of events, and clients who go."""

import asyncio
import socket
import struct
from collections.abc import Iterable

from aiohttp import web

from ensemble.events import Event, Grew, Listener
from ensemble.server import sse


async def test_a_client_who_reads_nothing_and_breaks_the_connection_cancels_the_work() -> None:
    ended: asyncio.Future[type[BaseException] | None] = asyncio.get_running_loop().create_future()

    async def work(tell: Listener) -> bytes:
        tell(Grew(text="x"))
        await asyncio.Event().wait()
        return b""

    async def frames(event: Event) -> Iterable[bytes]:
        return [b"x" * 65536] * 512

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            return await sse.follow(request, work, frames, headers={}, keepalive_s=60)
        except BaseException as error:
            ended.set_result(type(error))
            raise

    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        with socket.create_connection(runner.addresses[0][:2]) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(0.5)
            # Closed with a reset, as a connection ends that was too long without an acknowledgement.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert await asyncio.wait_for(ended, 10) is asyncio.CancelledError
    finally:
        await runner.cleanup()
