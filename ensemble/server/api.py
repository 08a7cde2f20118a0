"""The routes."""

from aiohttp import web

from ensemble.dialects import anthropic_messages, openai_chat
from ensemble.errors import NotFound
from ensemble.server.answering import SERVICE, answered
from ensemble.server.auth import CALLER, require_json
from ensemble.server.reviews import require_unsealed
from ensemble.server.shape import DIALECTS, json_response
from ensemble.types import RequestId

routes = web.RouteTableDef()


@routes.post("/v1/chat/completions")
async def chat_completions(request: web.Request) -> web.StreamResponse:
    """OpenAI's chat completions; ``model`` names a router or a member."""
    return await answered(request, openai_chat)


@routes.post("/v1/messages")
async def messages(request: web.Request) -> web.StreamResponse:
    """Anthropic's messages; ``model`` names a router or a member."""
    return await answered(request, anthropic_messages)


@routes.post("/v1/messages/count_tokens")
async def count_tokens(request: web.Request) -> web.Response:
    """The tokens that a message would have, as the first member that can tell counts them."""
    require_json(request)
    service = request.app[SERVICE]
    asked = anthropic_messages.parse_count(await request.read())
    ask = service.request(asked.prompt, model=asked.model, metadata=asked.metadata, caller=request[CALLER])
    return json_response({"input_tokens": await service.count_tokens(ask)}, request)


@routes.get("/v1/ensemble/requests/{id}")
async def record(request: web.Request) -> web.Response:
    """All that the log has about one request; its id may be given as replies have it (``chatcmpl-...``) too.

    While two people are to decide on it, each on his own, it is hidden from everybody but who has decided: 409.
    """
    wanted = request.match_info["id"]
    for dialect in DIALECTS:
        wanted = wanted.removeprefix(dialect.PREFIX)
    found = await request.app[SERVICE].store.request(RequestId(wanted))
    if found is None or not request[CALLER].sees(found):
        raise NotFound(f"the log has no request {wanted!r}", param="id")
    await require_unsealed(request, wanted)
    return json_response(dict(found), request)


@routes.get("/healthz")
async def healthz(request: web.Request) -> web.Response:
    """The process is alive."""
    return json_response({"status": "ok"}, request)


@routes.get("/readyz")
async def readyz(request: web.Request) -> web.Response:
    """Requests can be answered now; 503 while shutting down or while the log cannot be written.

    A router that its watch has demoted is answered for by its panel, and without the Redis of ``[shared]`` each replica
    goes by its own part of the limits: both are told and are no reason for 503.
    """
    service = request.app[SERVICE]
    await service.check()
    states = {name: watch.state() for name, watch in service.watches.items()}
    routers = {name: {"state": at.state, "since": at.since or None, "why": at.why} for name, at in states.items()}
    told: dict[str, object] = {"status": "ready", "config": service.standing.told(), "routers": routers}
    if service.shared is not None:
        told["shared"] = "degraded" if service.shared.lost else "ok"  # why is in the log: anybody may ask this
    return json_response(told, request)
