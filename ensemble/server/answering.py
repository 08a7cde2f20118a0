"""One question in any dialect: from the body to the last byte of the answer."""

from aiohttp import web

from ensemble.dialects import extension
from ensemble.dialects.dialect import Asked, Dialect, problem_of
from ensemble.errors import EnsembleError
from ensemble.server import sse
from ensemble.server.auth import CALLER, require_json
from ensemble.server.shape import IDEMPOTENCY_KEY, REPEATS, REQUEST_ID, id_headers, json_response, told
from ensemble.service import Service
from ensemble.types import Answer, Request

SERVICE = web.AppKey("service", Service)
UNKNOWN_COST = "unknown"
"""The cost header where the price of a call is unknown: never a number that is too small."""


async def answered(request: web.Request, dialect: Dialect) -> web.StreamResponse:
    """Understand the body, ask the service, and tell the answer, as a whole or as a stream."""
    require_json(request)
    service = request.app[SERVICE]
    asked = dialect.parse(await request.read())
    ask = service.request(
        asked.prompt,
        model=asked.model,
        deadline_s=asked.deadline_s,
        conversation=asked.conversation,
        stream=asked.stream,
        dialect=dialect.NAME,
        user=asked.user,
        metadata=asked.metadata,
        caller=request[CALLER],
        idempotency_key=request.headers.get(IDEMPOTENCY_KEY),
        repeats=request.get(REPEATS),
    )
    request[REQUEST_ID] = ask.repeats or ask.id
    if asked.stream:
        return await _streamed(request, dialect, ask, asked)
    answer = await service.answer(ask)
    return json_response(dialect.render(answer, asked), request, headers=_headers(answer))


def _headers(answer: Answer) -> dict[str, str]:
    cost = extension.exact_cost(answer)
    headers = {"x-ensemble-winner": answer.member, "x-ensemble-cost-usd": UNKNOWN_COST if cost is None else cost}
    if answer.plan.warnings:
        # A router may be anybody's plugin, and a header is one line of ASCII.
        told_of = " ".join("; ".join(answer.plan.warnings).split())
        headers["x-ensemble-warning"] = told_of.encode("ascii", "replace").decode()
    return headers


async def _streamed(request: web.Request, dialect: Dialect, ask: Request, asked: Asked) -> web.StreamResponse:
    service = request.app[SERVICE]
    response = web.StreamResponse(headers={**sse.HEADERS, **id_headers(request)})
    try:
        await response.prepare(request)
        async with sse.KeepAlive(response, service.settings.server.keepalive_s, dialect.KEEP_ALIVE):
            outcome = await _outcome(service, ask, request)
        if isinstance(outcome, Answer):
            await sse.send(response, dialect.frames(outcome, asked))
        else:
            await sse.send(response, [dialect.error_frame(problem_of(outcome), ask.id)])
        await response.write_eof()
    except ConnectionResetError:
        pass  # the client has gone while it was being told; the answer is in the log
    return response


async def _outcome(service: Service, ask: Request, request: web.Request) -> Answer | EnsembleError:
    try:
        return await service.answer(ask)
    except Exception as error:  # noqa: BLE001 - the status has been sent, so every error becomes an event
        return told(error, request)
