"""The application and its life: serve until told to stop, finish what is under way, go."""

import asyncio
import signal
import time
from collections.abc import Callable

from aiohttp import web

from ensemble.errors import ConfigError
from ensemble.reloading import watching
from ensemble.server.answering import SERVICE
from ensemble.server.api import routes
from ensemble.server.auth import Gate, guard
from ensemble.server.compare import routes as compare_routes
from ensemble.server.feedback import routes as feedback_routes
from ensemble.server.idempotency import idempotent
from ensemble.server.metrics import STATE
from ensemble.server.metrics import routes as metrics_routes
from ensemble.server.models import STARTED
from ensemble.server.models import routes as model_routes
from ensemble.server.openapi import route as openapi
from ensemble.server.quota import add_headers
from ensemble.server.responses import routes as response_routes
from ensemble.server.reviews import routes as review_routes
from ensemble.server.shape import shaped
from ensemble.server.singleflight import FLIGHTS, single
from ensemble.server.state import State
from ensemble.server.traced import traced
from ensemble.service import Service

WRITING_S = 2.0
"""Seconds that connections get to send what is decided, once the work has ended."""


def make_app(service: Service) -> web.Application:
    """The application over an open ``service``, which it does not close.

    Raises:
        ConfigError: the key that clients must send is configured and not there.
    """
    settings = service.settings.server
    service.key = settings.api_key()
    app = web.Application(
        middlewares=[traced, shaped, guard(Gate(service)), idempotent, single], client_max_size=settings.max_body_bytes
    )
    app.on_response_prepare.append(add_headers)
    app[SERVICE] = service
    app[FLIGHTS] = {}
    app[STARTED] = int(time.time())
    app.add_routes(routes)
    app.add_routes(response_routes)
    app.add_routes(model_routes)
    app.add_routes(metrics_routes)
    app.add_routes(compare_routes)
    app[STATE] = State(service)
    service.instruments.registry.register(app[STATE])
    app.add_routes(feedback_routes)
    app.add_routes(review_routes)
    app[openapi.MADE] = {}
    app.add_routes(openapi.routes)
    return app


async def run(service: Service, started: Callable[[str], None]) -> None:
    """Serve ``service`` as its ``[server]`` table says until SIGINT or SIGTERM; ``started`` is told the address.

    SIGHUP, and a change of the files that the service comes from, reload it.

    Then no connection is accepted, work under way gets ``drain_s`` seconds to finish, and the rest is cancelled.

    Raises:
        ConfigError: the address cannot be bound, or as ``make_app``.
    """
    settings = service.settings.server
    # With handler_cancellation the handler of a client who has gone is cancelled, and so learns of it at once.
    runner = web.AppRunner(make_app(service), handler_cancellation=True, access_log=None, shutdown_timeout=WRITING_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            where = f"{settings.host} port {settings.port}"
            raise ConfigError(f"[server] cannot listen on {where}: {error.strerror}") from error
        async with watching(service) as watch:
            with _Signals(watch.tell) as stop:
                started(_address(runner))
                await stop.wait()
                await site.stop()
                await service.drain(service.settings.server.drain_s)
    finally:
        await runner.cleanup()


class _Signals:
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
