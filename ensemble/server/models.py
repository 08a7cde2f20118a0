"""What can be asked, listed in the shape of the client's protocol."""

from datetime import UTC, datetime

from aiohttp import web

from ensemble.dialects import anthropic_messages
from ensemble.errors import InvalidRequest
from ensemble.server.answering import SERVICE
from ensemble.server.shape import dialect_of, json_response

STARTED = web.AppKey("started", int)
PAGE, MOST = 20, 1000
"""Models per page of Anthropic's list where the client names no number, and at most."""

routes = web.RouteTableDef()


@routes.get("/v1/models")
async def models(request: web.Request) -> web.Response:
    """Every name that a request may give as ``model``: routers, then members."""
    names = request.app[SERVICE].names()
    page, more = _page(
        request, names
    )  # OpenAI's list has no pages, and its client is told of a wrong number all the same
    if dialect_of(request) is not anthropic_messages:
        return json_response({"object": "list", "data": [_for_openai(request, name) for name in names]}, request)
    ends = {"first_id": page[0] if page else None, "last_id": page[-1] if page else None}
    data = [_for_anthropic(request, name) for name in page]
    return json_response({"data": data, "has_more": more, **ends}, request)


@routes.get("/v1/models/{model:.+}")
async def model(request: web.Request) -> web.Response:
    """One router or member."""
    name = request.match_info["model"]
    request.app[SERVICE].pipeline.router(name)  # raises UnknownModel with the nearest names
    told = _for_anthropic if dialect_of(request) is anthropic_messages else _for_openai
    return json_response(told(request, name), request)


def _page(request: web.Request, names: list[str]) -> tuple[list[str], bool]:
    """The page that the query asks for, and whether more come in its direction."""
    given = request.query.get("limit", str(PAGE))
    if not (given.isascii() and given.isdigit() and 1 <= int(given) <= MOST):
        raise InvalidRequest(f"limit: must be a number from 1 to {MOST}", param="limit")
    limit = int(given)
    if (before := request.query.get("before_id")) is not None:
        rest = names[: _place(names, before, "before_id")]
        return rest[-limit:], len(rest) > limit
    after = request.query.get("after_id")
    rest = names if after is None else names[_place(names, after, "after_id") + 1 :]
    return rest[:limit], len(rest) > limit


def _place(names: list[str], name: str, param: str) -> int:
    if name not in names:
        raise InvalidRequest(f"{param}: there is no model {name!r} here", param=param)
    return names.index(name)


def _for_openai(request: web.Request, name: str) -> dict[str, object]:
    service = request.app[SERVICE]
    member = service.settings.members.get(name)
    owner = member.provider if member and name not in service.settings.routers else "ensemble"
    return {"id": name, "object": "model", "created": request.app[STARTED], "owned_by": owner}


def _for_anthropic(request: web.Request, name: str) -> dict[str, object]:
    settings = request.app[SERVICE].settings
    member = settings.members.get(name) if name not in settings.routers else None
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": datetime.fromtimestamp(request.app[STARTED], UTC).isoformat(),
        "lifecycle": "active",
        "max_input_tokens": member.context_tokens if member else None,
        "max_tokens": member.max_output_tokens if member else None,
    }
