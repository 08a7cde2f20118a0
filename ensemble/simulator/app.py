"""The routes of the simulated fleet."""

import sys
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from ensemble.simulator import control
from ensemble.simulator.anthropic_batches import AnthropicBatches
from ensemble.simulator.anthropic_wire import AnthropicWire
from ensemble.simulator.embeddings import MODEL, embeddings_body
from ensemble.simulator.fleet import Fleet
from ensemble.simulator.openai_batches import OpenAIBatches
from ensemble.simulator.openai_wire import OpenAIWire
from ensemble.simulator.quirks import PLAIN, SERVERS
from ensemble.simulator.serve import Desk, check_key, read_body, refusal
from ensemble.simulator.served import Served
from ensemble.simulator.talk import Problem
from ensemble.simulator.wire import Wire, text

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
VERTEX = "/vertex/v1/projects/{project}/locations/{region}/publishers/anthropic/models"
"""Where Google's Vertex AI has Anthropic's models, under a path of its own as the other servers are."""
MAX_BODY_BYTES = 64 * 2**20


def make_app(fleet: Fleet) -> web.Application:
    """The server of ``fleet``."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    add = app.router.add_route
    for quirks in SERVERS:
        wire = OpenAIWire(quirks=quirks)
        add("POST", f"{quirks.path}/chat/completions", Desk(fleet, wire).handle)
        if quirks is not PLAIN:
            add("GET", f"{quirks.path}/models", _guarded(fleet, wire, _openai_models(fleet, quirks.model_prefix)))
        if quirks.name == "azure":
            by_deployment = Desk(fleet, wire, needs_version=True).handle
            add("POST", "/azure/openai/deployments/{deployment}/chat/completions", by_deployment)
    plain, anthropic = OpenAIWire(), AnthropicWire()
    add("GET", "/v1/models", _models(fleet, plain, anthropic))
    add("POST", "/v1/embeddings", _guarded(fleet, plain, _embeddings(fleet)))
    add("POST", "/v1/messages", Desk(fleet, anthropic).handle)
    vertex = Desk(fleet, AnthropicWire(version_in_body=True)).handle
    for verb in ("rawPredict", "streamRawPredict"):
        add("POST", f"{VERTEX}/{{deployment:[^/:]+}}:{verb}", vertex)
    add("POST", "/v1/messages/count_tokens", _guarded(fleet, anthropic, _count_tokens(anthropic)))
    for method, path, handler in OpenAIBatches(fleet, plain).routes():
        add(method, path, _guarded(fleet, plain, handler))
    for method, path, handler in AnthropicBatches(fleet, anthropic).routes():
        add(method, path, _guarded(fleet, anthropic, handler))
    for method, path, handler in control.routes(fleet):
        add(method, path, handler)
    return app


def _guarded(fleet: Fleet, wire: Wire, handler: Handler) -> Handler:
    """``handler`` behind the key, its problems in the shape of ``wire``."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            check_key(request, fleet.settings.api_key)
            return await handler(request)
        except Problem as problem:
            return refusal(problem, wire, f"req_sim_{fleet.log.started:07d}")

    return guarded


def _models(fleet: Fleet, plain: Wire, anthropic: Wire) -> Handler:
    openai_list = _guarded(fleet, plain, _openai_models(fleet, ""))

    async def anthropic_list(request: web.Request) -> web.Response:
        data: list[dict[str, object]] = [
            {
                "type": "model",
                "id": name,
                "display_name": f"{name} (simulated)",
                "created_at": "2026-01-01T00:00:00Z",
                "lifecycle": "active",
                "max_input_tokens": model.profile.context_tokens,
            }
            for name, model in fleet.models.items()
        ]
        ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
        return _json({"data": data, "has_more": False, **ends})

    guarded = _guarded(fleet, anthropic, anthropic_list)

    async def models(request: web.Request) -> web.StreamResponse:
        # Both providers have this path; only one of them sends a version.
        return await (guarded if "anthropic-version" in request.headers else openai_list)(request)

    return models


def _openai_models(fleet: Fleet, prefix: str) -> Handler:
    async def models(request: web.Request) -> web.Response:
        names = [prefix + name for name in (*fleet.models, MODEL)]
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "simulated"} for name in names]
        return _json({"object": "list", "data": data})

    return models


def _embeddings(fleet: Fleet) -> Handler:
    async def embeddings(request: web.Request) -> web.Response:
        asked = await read_body(request)
        served = Served(model=text(asked.get("model")), request_id=fleet.next_id(), wire="embeddings")
        fleet.begin(served)
        try:
            body, used = embeddings_body(asked)
            served.status, served.prompt_tokens, served.told_prompt_tokens = 200, used, used
            return _json(body, {"x-request-id": served.request_id})
        except Problem as problem:
            served.status = problem.status
            raise
        finally:
            fleet.end(served)

    return embeddings


def _count_tokens(anthropic: Wire) -> Handler:
    async def count_tokens(request: web.Request) -> web.Response:
        ask = anthropic.parse({"max_tokens": sys.maxsize, **await read_body(request)}, request.headers)
        return _json({"input_tokens": ask.prompt_tokens})

    return count_tokens


def _json(body: object, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json", headers=headers)
