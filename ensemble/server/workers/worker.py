"""One worker: serves connections of sockets that it shares with its like, and ends without refusing anybody."""

import asyncio
import random
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import web
from prometheus_client import values

from ensemble.place import PLACE, Place
from ensemble.reloading import watching
from ensemble.server.app import make_app
from ensemble.server.listening import BACKLOG, Signals, running
from ensemble.server.metrics import PUBLISHED, STATE, publishing
from ensemble.server.state import Published
from ensemble.server.workers.terms import ENDING, GO, READY, RETIRE, STOP, Post
from ensemble.service import Service

LINGER_S = 3.0
"""Most seconds in which one that retires still answers on connections that it has: each reply then says that its
connection closes, so that the next request goes elsewhere. What stays silent for so long is closed."""
WORKER_HEADER = "x-ensemble-worker"
"""Which worker answered."""
CLOSED = 0.02
"""Share of the replies behind which their connection closes in any case, so that clients who keep theirs for ever come
to use a worker that was started after they connected."""
LOOK_S = 0.02
"""Seconds between two looks whether any connection is left."""
LEAVING = web.AppKey("leaving", asyncio.Event)
"""Set once connections are to close behind their replies."""


def take_place(post: Post) -> None:
    """Make this process the worker of ``post``; before anything of the service is made."""
    PLACE.set(Place(number=post.number, of=post.of, folder=post.folder))
    # By slot and not by process, so that who takes the place of another goes on with its counters: there are never more
    # files than processes at once, and no count goes back.
    values.ValueClass = values.MultiProcessValue(lambda: post.slot)  # type: ignore[no-untyped-call]


class _Channel:
    """The worker's end: what it was told, and what it says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stop: asyncio.Event) -> None:
        self._reader, self._writer = reader, writer
        self.go, self.retire, self.stop, self.orphaned = asyncio.Event(), asyncio.Event(), stop, False

    def say(self, *words: object) -> None:
        """Tell the supervisor; one that has ended hears nothing."""
        with suppress(ConnectionError):
            self._writer.write(" ".join(map(str, words)).encode() + b"\n")

    async def listen(self, gone: Callable[[], None]) -> None:
        """Hear what the supervisor says until it has ended, then tell ``gone``."""
        with suppress(ConnectionError):
            while line := (await self._reader.readline()).decode().strip():
                {GO: self.go, RETIRE: self.retire, STOP: self.stop}[line].set()
        self.orphaned = True
        gone()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


@asynccontextmanager
async def _channel(post: Post, stop: asyncio.Event) -> AsyncIterator[_Channel]:
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=post.channel))
    channel = _Channel(reader, writer, stop)
    # A supervisor that has died ends its workers as SIGTERM would: the first time gently.
    task = asyncio.get_running_loop().create_task(channel.listen(lambda: signal.raise_signal(signal.SIGTERM)))
    try:
        yield channel
    finally:
        task.cancel()
        await asyncio.wait([task])
        channel.close()


async def work(service: Service, post: Post) -> None:
    """Serve ``service`` at ``post`` until SIGINT, SIGTERM, or the supervisor's end or word that another one does.

    Nothing is accepted before the supervisor says so. Then as ``ensemble.server.app.run``.

    Raises:
        ConfigError: as ``make_app``.
    """
    app = make_app(service)
    app[LEAVING], app[PUBLISHED] = asyncio.Event(), Published(app[STATE])
    app.on_response_prepare.append(_add_headers)
    async with running(app) as runner, watching(service) as watch, publishing(app):
        with Signals(watch.tell) as stop:
            async with _channel(post, stop) as channel:
                await _serve(service, app, runner, channel, post)
                if channel.orphaned:
                    # Nobody else does it. Who still needs what is in there has it open, or does without.
                    await asyncio.to_thread(shutil.rmtree, post.folder, ignore_errors=True)


async def _serve(service: Service, app: web.Application, runner: web.AppRunner, channel: _Channel, post: Post) -> None:
    channel.say(READY)
    drain_s = service.settings.server.drain_s
    if await _first(channel.go, channel.stop) is channel.go:
        sites = await _accepting(runner, post.sockets)
        ended = await _first(channel.retire, channel.stop)
        drain_s = service.settings.server.drain_s
        channel.say(ENDING, drain_s + LINGER_S)
        for site in sites:
            await site.stop()
        if ended is channel.retire:
            await _linger(app, runner, channel.stop)
    await service.drain(drain_s)


async def _first(*events: asyncio.Event) -> asyncio.Event:
    """The first of ``events`` to be set; of several that are, the last."""
    tasks = [asyncio.get_running_loop().create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    return next(event for event in reversed(events) if event.is_set())


async def _accepting(runner: web.AppRunner, sockets: tuple[int, ...]) -> list[web.SockSite]:
    sites = []
    for file in sockets:
        shared = socket.socket(fileno=file)
        # With a backlog of one asyncio accepts one connection a turn of its loop, so whoever is busy takes fewer than
        # whoever is idle; with a larger one the first to wake would take all that wait. The queue is as long as before.
        site = web.SockSite(runner, shared, backlog=1)
        await site.start()
        shared.listen(BACKLOG)
        sites.append(site)
    return sites


async def _linger(app: web.Application, runner: web.AppRunner, stop: asyncio.Event) -> None:
    """Answer on the connections that there are, and close each behind its reply, for as long as any is used."""
    app[LEAVING].set()
    server, clock = runner.server, asyncio.get_running_loop().time
    end = clock() + LINGER_S
    while server is not None and server.connections and clock() < end and not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_S)
    if server is not None:
        server.pre_shutdown()


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers[WORKER_HEADER] = str(PLACE.get().number)
    if request.config_dict[LEAVING].is_set() or random.random() < CLOSED:  # noqa: S311 - no secret hangs on it
        response.headers["Connection"] = "close"
        response.force_close()
