"""The routes."""

from aiohttp import web

from ensemble.dialects import extension, openai_chat
from ensemble.errors import EnsembleError, NotFound
from ensemble.server import sse
from ensemble.server.auth import require_json
from ensemble.server.shape import ID_HEADER, REQUEST_ID, json_response, told
from ensemble.service import Service
from ensemble.types import Answer, Request, RequestId

SERVICE = web.AppKey("service", Service)
STARTED = web.AppKey("started", int)
UNKNOWN_COST = "unknown"
"""The cost header where the price of a call is unknown: never a number that is too small."""

routes = web.RouteTableDef()


@routes.post("/v1/chat/completions")
async def chat_completions(request: web.Request) -> web.StreamResponse:
    """OpenAI's chat completions; ``model`` names a router or a member."""
    require_json(request)
    service = request.app[SERVICE]
    asked = openai_chat.parse(await request.read())
    ask = service.request(
        asked.prompt,
        model=asked.model,
        deadline_s=asked.deadline_s,
        stream=asked.stream,
        dialect=openai_chat.NAME,
        user=asked.user,
        metadata=asked.metadata,
    )
    request[REQUEST_ID] = ask.id
    if asked.stream:
        return await _stream(request, service, ask, asked)
    answer = await service.answer(ask)
    cost = extension.exact_cost(answer)
    headers = {"x-ensemble-winner": answer.member, "x-ensemble-cost-usd": UNKNOWN_COST if cost is None else cost}
    return json_response(openai_chat.render(answer, asked), request, headers=headers)


@routes.get("/v1/models")
async def models(request: web.Request) -> web.Response:
    """Every name that a request may give as ``model``: routers, then members."""
    service = request.app[SERVICE]
    return json_response({"object": "list", "data": [_model(request, name) for name in service.names()]}, request)


@routes.get("/v1/models/{model:.+}")
async def model(request: web.Request) -> web.Response:
    """One router or member."""
    name = request.match_info["model"]
    request.app[SERVICE].pipeline.router(name)  # raises UnknownModel with the nearest names
    return json_response(_model(request, name), request)


@routes.get("/v1/ensemble/requests/{id}")
async def record(request: web.Request) -> web.Response:
    """All that the log has about one request; its id may be given as ``chatcmpl-...`` too."""
    wanted = request.match_info["id"].removeprefix(openai_chat.PREFIX)
    found = await request.app[SERVICE].store.request(RequestId(wanted))
    if found is None:
        raise NotFound(f"the log has no request {wanted!r}", param="id")
    return json_response(dict(found), request)


@routes.get("/healthz")
async def healthz(request: web.Request) -> web.Response:
    """The process is alive."""
    return json_response({"status": "ok"}, request)


@routes.get("/readyz")
async def readyz(request: web.Request) -> web.Response:
    """Requests can be answered now; 503 while shutting down or while the log cannot be written."""
    service = request.app[SERVICE]
    await service.check()
    return json_response({"status": "ready", "config": service.standing.told()}, request)


async def _stream(request: web.Request, service: Service, ask: Request, asked: openai_chat.Asked) -> web.StreamResponse:
    response = web.StreamResponse(headers={**sse.HEADERS, ID_HEADER: ask.id})
    try:
        await response.prepare(request)
        async with sse.KeepAlive(response, service.settings.server.keepalive_s):
            outcome = await _outcome(service, ask, request)
        if isinstance(outcome, Answer):
            said = openai_chat.chunks(outcome, asked)
            await sse.send(response, [*(sse.event(openai_chat.dumps(chunk)) for chunk in said), sse.DONE])
        else:
            await sse.send(response, [sse.event(openai_chat.dumps(openai_chat.render_error(outcome)))])
        await response.write_eof()
    except ConnectionResetError:
        pass  # the client has gone while it was being told; the answer is in the log
    return response


async def _outcome(service: Service, ask: Request, request: web.Request) -> Answer | EnsembleError:
    try:
        return await service.answer(ask)
    except Exception as error:  # noqa: BLE001 - the status has been sent, so every error becomes an event
        return told(error, request)


def _model(request: web.Request, name: str) -> dict[str, object]:
    service = request.app[SERVICE]
    member = service.settings.members.get(name)
    owner = member.provider if member and name not in service.settings.routers else "ensemble"
    return {"id": name, "object": "model", "created": request.app[STARTED], "owned_by": owner}
