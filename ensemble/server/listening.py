"""An application on a port of its own, and the signals that end it."""

import asyncio
import errno
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

from aiohttp import web

from ensemble.errors import ConfigError

BACKLOG = 1024
"""Connections that may wait until they are accepted."""
WRITING_S = 2.0
"""Seconds that connections get to send what is decided, once the work has ended."""


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[tuple[web.TCPSite, str]]:
    """Serve ``app`` until the context ends: the site, which can be stopped before that, and its address.

    Port 0 takes a free one.

    Raises:
        ConfigError: the address cannot be bound.
    """
    async with running(app) as runner:
        site = web.TCPSite(runner, host, port, backlog=BACKLOG)
        try:
            await site.start()
        except OSError as error:
            raise _unbound(host, port, error) from error
        yield site, address_of(*runner.addresses[0][:2])


@asynccontextmanager
async def running(app: web.Application) -> AsyncIterator[web.AppRunner]:
    """``app``, ready to serve whatever is accepted for it until the context ends."""
    # With handler_cancellation the handler of a client who has gone is cancelled, and so learns of it at once.
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=WRITING_S)
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


@contextmanager
def bound(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets that listen at every address that ``host`` stands for, for others to accept from. Blocks.

    Raises:
        ConfigError: an address cannot be bound.
    """
    with ExitStack() as stack:
        sockets = []
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, _, _, _, address in dict.fromkeys(found):
                one = stack.enter_context(socket.create_server(address, family=family, backlog=BACKLOG))
                one.setblocking(False)
                sockets.append(one)
        except OSError as error:
            raise _unbound(host, port, error) from error
        yield sockets


def _unbound(host: str, port: int, error: OSError) -> ConfigError:
    # The event loop puts the address, which stands here already, before what the system says.
    number = error.errno or 0
    why = os.strerror(number) if number in errno.errorcode else error.strerror
    mend = "; end what listens there, or name another with --port" if number == errno.EADDRINUSE else ""
    return ConfigError(f"[server] cannot listen on {host} port {port}: {why}{mend}")


class Signals:
    """An event that the first SIGINT or SIGTERM sets; the second one ends the process the hard way. SIGHUP reloads."""

    def __init__(self, reload: Callable[[], None]) -> None:
        self._reload = reload

    def __enter__(self) -> asyncio.Event:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._told)
        self._loop.add_signal_handler(signal.SIGHUP, self._reload)
        return self._event

    def __exit__(self, *error: object) -> None:
        self._restore()
        self._loop.remove_signal_handler(signal.SIGHUP)

    def _told(self) -> None:
        self._event.set()
        self._restore()

    def _restore(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.remove_signal_handler(number)


def address_of(host: str, port: int) -> str:
    """How that address is written in a URL."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
