"""What every request gets: an id, errors in the shape that its client parses, and a line in the log without content."""

import asyncio
import logging
import math

from aiohttp import web
from aiohttp.typedefs import Handler
from uuid_utils import uuid7

from ensemble.dialects import anthropic_messages, openai_chat, openai_responses
from ensemble.dialects.dialect import Dialect, Problem, dumps, problem_of
from ensemble.errors import EnsembleError, InvalidRequest, MethodNotAllowed, Overloaded, StoreUnavailable
from ensemble.server.auth import PAGES, is_page
from ensemble.server.logs import WHOSE, frames
from ensemble.types import RequestId

log = logging.getLogger(__name__)

REQUEST_ID = web.RequestKey("request_id", str)
"""Id of the HTTP request until there is an ensemble request, then that one's."""
UNTIL = web.RequestKey("until", float)
"""When the ensemble request ends at the latest, by the loop's clock; absent until there is one."""
ID_HEADER = "x-ensemble-request-id"
IDEMPOTENCY_KEY = "Idempotency-Key"
REPEATS = web.RequestKey("repeats", RequestId)
"""The stored request that has been answered under the idempotency key; absent where there is none."""
CODES = {403: "forbidden", 404: "not_found", 405: MethodNotAllowed.code, 413: "request_too_large"}
FINAL = frozenset({500, 502, 504})
"""Every member has had its retries by then. Told so, the official clients do not pay for the whole panel twice more."""
DIALECTS: tuple[Dialect, ...] = (openai_chat, openai_responses, anthropic_messages)
FAULT = 500
"""From here on an error is the service's or its members', for somebody to look into, where a stream tells it too."""
TOLD = web.RequestKey("told", EnsembleError)
"""The one of them that is in the log already: a stream that has not begun hands its failure on."""
CLIENT_GONE = 499
"""What nginx writes for a client that went away; only in our log."""


@web.middleware
async def shaped(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost middleware."""
    clock = asyncio.get_running_loop().time
    begin = clock()
    request[REQUEST_ID] = str(uuid7())
    WHOSE.set(lambda: request[REQUEST_ID])  # it changes when there is an ensemble request
    status = CLIENT_GONE
    try:
        response = await _answered(request, handler)
        status = response.status
        return response
    finally:
        if log.isEnabledFor(logging.INFO):
            _log(request, status, clock() - begin)


def _log(request: web.Request, status: int, seconds: float) -> None:
    route = request.match_info.route.resource
    fields = {
        "request_id": request[REQUEST_ID],
        "method": request.method,
        "route": route.canonical if route else None,
        "status": status,
        "seconds": round(seconds, 6),
    }
    log.info("request", extra={"fields": fields})


def told(error: Exception, request: web.Request) -> EnsembleError:
    """``error`` as the client may be told of it; what is none of its business goes to the log, without content."""
    request_id = request[REQUEST_ID]
    if isinstance(error, EnsembleError):
        # What is refused for too much work is counted, and must cost no more.
        if error.status >= FAULT and not isinstance(error, Overloaded) and request.get(TOLD) is not error:
            request[TOLD] = error
            why = {"error": str(error)} if isinstance(error, StoreUnavailable) else {}  # others may quote a provider
            log.warning("request failed", extra={"fields": {"request_id": request_id, "code": error.code, **why}})
        return error
    fields = {"request_id": request_id, "error": type(error).__name__, "frames": frames(error)}
    log.error("unexpected error", extra={"fields": fields})
    return EnsembleError(f"an error inside the server; its log has more under request {request_id}")


def dialect_of(request: web.Request) -> Dialect:
    """The protocol that the client speaks, by the path or by the version that Anthropic's clients always send."""
    own = request.path == "/v1/messages" or request.path.startswith("/v1/messages/")
    return anthropic_messages if own or "anthropic-version" in request.headers else openai_chat


def id_headers(request: web.Request) -> dict[str, str]:
    """The id of the request, also under the name that the client's protocol has for it."""
    own = "request-id" if dialect_of(request) is anthropic_messages else "x-request-id"
    return {ID_HEADER: request[REQUEST_ID], own: request[REQUEST_ID]}


def json_response(
    body: dict[str, object], request: web.Request, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """``body`` as JSON under the request's id."""
    return web.Response(
        # Copied without the room in which orjson wrote it: aiohttp keeps it until the connection's next request ends.
        body=bytes(memoryview(dumps(body))),
        status=status,
        content_type="application/json",
        headers={**id_headers(request), **(headers or {})},
    )


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _http_error(error, request)
    except ConnectionResetError:
        return web.Response(status=CLIENT_GONE, reason="Client Closed Request")  # nobody gets it
    except web.RequestPayloadError:
        said: EnsembleError = InvalidRequest("the body cannot be read: its length or its encoding is not as stated")
    except Exception as error:  # noqa: BLE001 - the last resort of a server: told to the log, hidden from the client
        said = told(error, request)
    headers = {} if said.retry_after_s is None else {"Retry-After": str(math.ceil(said.retry_after_s))}
    if said.status in FINAL:
        headers["x-should-retry"] = "false"
    return _problem(problem_of(said), request, headers)


def _http_error(error: web.HTTPException, request: web.Request) -> web.Response:
    headers: dict[str, str] = {}
    message = error.text or error.reason
    if isinstance(error, web.HTTPMethodNotAllowed):
        headers["Allow"] = allowed = ", ".join(sorted(error.allowed_methods))
        message = f"{request.method} is not possible here, only {allowed}"
    elif isinstance(error, web.HTTPNotFound):
        message = f"{request.method} {request.path} is not offered; what is: {_offered(request.app)}"
        message += f"; pages for people are under {PAGES}"
    elif isinstance(error, web.HTTPRequestEntityTooLarge):
        message = "the body is larger than [server] max_body_bytes allows"
    code = CODES.get(error.status, "invalid_request")
    return _problem(Problem(message=message, status=error.status, code=code), request, headers)


def _offered(app: web.Application) -> str:
    routes = {f"{r.method} {r.resource.canonical}" for r in app.router.routes() if r.resource and r.method != "HEAD"}
    routes = {route for route in routes if not is_page(route.partition(" ")[2])}
    return ", ".join(sorted(routes, key=lambda told: told.split()[::-1]))


def _problem(problem: Problem, request: web.Request, headers: dict[str, str]) -> web.Response:
    body = dialect_of(request).render_error(problem, request[REQUEST_ID])
    return json_response(body, request, status=problem.status, headers=headers)
