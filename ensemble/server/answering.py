"""One question in any dialect: from the body to the last byte of the answer."""

from typing import Literal

from aiohttp import web

from ensemble.dialects import extension
from ensemble.dialects.dialect import Asked, Dialect
from ensemble.errors import InvalidRequest
from ensemble.server.auth import CALLER, require_json
from ensemble.server.shape import IDEMPOTENCY_KEY, REPEATS, REQUEST_ID, UNTIL, json_response
from ensemble.server.streaming import streamed
from ensemble.service import Service
from ensemble.types import Answer, Request

SERVICE = web.AppKey("service", Service)
DEADLINE = "x-ensemble-deadline-ms"
CACHE = "x-ensemble-cache"
MOST_MS = 3_600_000
UNKNOWN_COST = "unknown"
"""The cost header where the price of a call is unknown: never a number that is too small."""


async def answered(request: web.Request, dialect: Dialect) -> web.StreamResponse:
    """Understand the body, ask the service, and tell the answer, as a whole or as a stream."""
    require_json(request)
    return await replied(request, dialect, dialect.parse(await request.read()))


async def replied(request: web.Request, dialect: Dialect, asked: Asked) -> web.StreamResponse:
    """Ask the service what the body was understood to ask, and tell the answer, as a whole or as a stream."""
    service = request.app[SERVICE]
    ask = request_of(request, asked, dialect.NAME)
    if asked.stream:
        return await streamed(request, service, dialect, ask, asked)
    answer = await service.answer(ask)
    return json_response(dialect.render(answer, asked), request, headers=_headers(answer))


def request_of(request: web.Request, asked: Asked, dialect: str) -> Request:
    """The request that ``asked`` and the headers make, in ``dialect`` (its name in the log)."""
    ask = request.app[SERVICE].request(
        asked.prompt,
        model=asked.model,
        deadline_s=_deadline_s(request, asked),
        conversation=asked.conversation,
        stream=asked.stream,
        dialect=dialect,
        user=asked.user,
        metadata=asked.metadata,
        caller=request[CALLER],
        idempotency_key=request.headers.get(IDEMPOTENCY_KEY),
        repeats=request.get(REPEATS),
        cache=_cache(request),
        tags=asked.tags,
        n=asked.n,
    )
    request[REQUEST_ID] = ask.repeats or ask.id
    request[UNTIL] = ask.deadline
    return ask


def _deadline_s(request: web.Request, asked: Asked) -> float | None:
    """The earlier of what the header and the body state, seconds; None where neither does."""
    told = request.headers.get(DEADLINE)
    if told is None:
        return asked.deadline_s
    if not (told.isascii() and told.isdigit() and len(told) <= 7 and 0 < int(told) <= MOST_MS):
        raise InvalidRequest(f"{DEADLINE}: must be a whole number of milliseconds from 1 to {MOST_MS}", param=DEADLINE)
    return min(int(told) / 1000, asked.deadline_s or MOST_MS)


def _cache(request: web.Request) -> Literal["use", "refresh", "off"]:
    match request.headers.get(CACHE, "use"):
        case "use" | "refresh" | "off" as told:
            return told
        case _:
            raise InvalidRequest(f"{CACHE}: must be use, refresh or off", param=CACHE)


def _headers(answer: Answer) -> dict[str, str]:
    cost = extension.exact_cost(answer)
    headers = {"x-ensemble-winner": answer.member, "x-ensemble-cost-usd": UNKNOWN_COST if cost is None else cost}
    if answer.plan.warnings:
        # A router may be anybody's plugin, and a header is one line of ASCII.
        told_of = " ".join("; ".join(answer.plan.warnings).split())
        headers["x-ensemble-warning"] = told_of.encode("ascii", "replace").decode()
    return headers
