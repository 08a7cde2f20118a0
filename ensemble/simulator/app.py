"""The routes of the simulated fleet."""

from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from ensemble.simulator.fleet import Fleet
from ensemble.simulator.openai_wire import OpenAIWire
from ensemble.simulator.serve import Desk, check_key
from ensemble.simulator.talk import Problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_BODY_BYTES = 64 * 2**20


def make_app(fleet: Fleet) -> web.Application:
    """The server of ``fleet``."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    wire = OpenAIWire()
    app.router.add_post("/v1/chat/completions", Desk(fleet, wire).handle)
    app.router.add_get("/v1/models", _models(fleet, wire))

    async def elsewhere(request: web.Request) -> web.Response:
        fleet.redirects_followed += 1
        return web.Response(text="A client that follows a redirect posts its prompt to a stranger.")

    app.router.add_route("*", "/sim/elsewhere", elsewhere)
    return app


def _models(fleet: Fleet, wire: OpenAIWire) -> Handler:
    async def models(request: web.Request) -> web.Response:
        try:
            check_key(request, fleet.settings.api_key)
        except Problem as problem:
            return web.Response(status=problem.status, body=wire.problem(problem, ""), content_type="application/json")
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "simulated"} for name in fleet.models]
        return web.Response(body=orjson.dumps({"object": "list", "data": listed}), content_type="application/json")

    return models
