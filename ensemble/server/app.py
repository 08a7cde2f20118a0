"""The application and its life: serve until told to stop, finish what is under way, go."""

import time
from collections.abc import Callable
from functools import partial

from aiohttp import web

from ensemble.reloading import watching
from ensemble.server.answering import SERVICE
from ensemble.server.api import routes
from ensemble.server.auth import PAGES, Gate, guard
from ensemble.server.compare import routes as compare_routes
from ensemble.server.deferred import Deferred
from ensemble.server.feedback import routes as feedback_routes
from ensemble.server.idempotency import WORKING, idempotent
from ensemble.server.listening import Signals, listening
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


def make_app(service: Service) -> web.Application:
    """The application over an open ``service``, which it does not close.

    Raises:
        ConfigError: the key that clients must send is configured and not there.
    """
    settings = service.settings.server
    service.key = settings.api_key()
    gate = Gate(service)
    app = web.Application(
        middlewares=[traced, shaped, guard(gate), idempotent, single], client_max_size=settings.max_body_bytes
    )
    app.on_response_prepare.append(add_headers)
    app[SERVICE] = service
    app[FLIGHTS] = {}
    app[WORKING] = {}
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
    pages = Deferred(PAGES, partial(_pages, service, gate))
    app.router.register_resource(pages)
    app.on_cleanup.append(pages.cleanup)
    return app


def _pages(service: Service, gate: Gate) -> web.Application:
    # Here, since their modules are 7 MB that a service may never need.
    from ensemble.server.pages.app import make_pages

    about = service.settings.store.address.name
    return make_pages(service.store, gate, about=about, writer=service.store, service=service)


async def run(service: Service, started: Callable[[str], None]) -> None:
    """Serve ``service`` as its ``[server]`` table says until SIGINT or SIGTERM; ``started`` is told the address.

    SIGHUP, and a change of the files that the service comes from, reload it.

    Then no connection is accepted, work under way gets ``drain_s`` seconds to finish, and the rest is cancelled.

    Raises:
        ConfigError: the address cannot be bound, or as ``make_app``.
    """
    settings = service.settings.server
    async with (
        listening(make_app(service), settings.host, settings.port) as (site, address),
        watching(service) as watch,
    ):
        with Signals(watch.tell) as stop:
            started(address)
            await stop.wait()
            await site.stop()
            await service.drain(service.settings.server.drain_s)
