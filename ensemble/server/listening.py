"""An application on a port of its own, and the signals that end it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from ensemble.errors import ConfigError

WRITING_S = 2.0
"""Seconds that connections get to send what is decided, once the work has ended."""


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[tuple[web.TCPSite, str]]:
    """Serve ``app`` until the context ends: the site, which can be stopped before that, and its address.

    Port 0 takes a free one.

    Raises:
        ConfigError: the address cannot be bound.
    """
    # With handler_cancellation the handler of a client who has gone is cancelled, and so learns of it at once.
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=WRITING_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError(f"[server] cannot listen on {host} port {port}: {error.strerror}") from error
        yield site, _address(runner)
    finally:
        await runner.cleanup()


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


def _address(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
