"""The routes of those who look at answers that are in doubt."""

from functools import partial

from aiohttp import web

from ensemble import reviewing
from ensemble.errors import Conflict, InvalidRequest, NotFound
from ensemble.server.answering import SERVICE
from ensemble.server.auth import CALLER, require_json
from ensemble.server.shape import json_response
from ensemble.store.review_seats import sealed
from ensemble.store.reviews import Review, Sight

routes = web.RouteTableDef()
PATH = "/v1/ensemble/reviews"
HIDDEN = frozenset({"key_id", "tenant", "member", "draw", "stratum", "probability", "place"})
"""Not told: who asked, who wrote the answer, and what the lot knew of it."""


async def require_unsealed(request: web.Request, id_: str) -> None:
    """Raises Conflict while two people are to decide on it, each on his own, unless who asks is one who has decided.

    To be called once the log was read, so that none is told which is drawn meanwhile.
    """
    caller = request[CALLER]
    by = caller.key.name if caller.key else ""
    if await request.app[SERVICE].store.read(partial(sealed, id_=id_, by=by)):
        raise Conflict(
            f"request {id_} was drawn for two people who decide apart: what names its members is here once both have; "
            f"GET {PATH}/{id_} shows it without names and findings",
            param="id",
        )


@routes.get(PATH)
async def queue(request: web.Request) -> web.Response:
    """What waits for a person, overturned answers first, then the oldest; ``?status=decided`` for what does not."""
    status, text = request.query.get("status", "open"), request.query.get("limit", "20")
    if status not in ("open", "decided"):
        raise InvalidRequest("status: must be open or decided", param="status")
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 0 < int(text) <= reviewing.MOST):
        raise InvalidRequest(f"limit: must be a whole number from 1 to {reviewing.MOST}", param="limit")
    found, more = await reviewing.queue(
        request.app[SERVICE].store, decided=status == "decided", sight=_sight(request), limit=int(text)
    )
    return json_response({"object": "list", "data": [_told(one) for one in found], "has_more": more}, request)


@routes.get(PATH + "/{id}")
async def one(request: web.Request) -> web.Response:
    """One of them, with the conversation and its candidates as a judge sees them: without their authors.

    Where two have found differently, what each found is there for the third, without who found it.
    """
    row = await _seen(request)
    case = await reviewing.case(request.app[SERVICE].store, str(row["request_id"]))
    found = await reviewing.findings(request.app[SERVICE].store, row)
    more = {} if found is None else {"findings": found}
    return json_response({**_told(row), **case, **more}, request)


@routes.post(PATH + "/{id}/claim")
async def claim(request: web.Request) -> web.Response:
    """Keep it for ``by`` for an hour; 409 where somebody else has it."""
    require_json(request)
    row = await _seen(request)
    taken = await reviewing.take(
        request.app[SERVICE].store, str(row["request_id"]), await request.read(), _adjudicators(request)
    )
    return json_response(_told(taken), request)


@routes.post(PATH + "/{id}/decide")
async def decide(request: web.Request) -> web.Response:
    """Say what was found, as feedback does; 409 where it is decided or somebody else has it.

    That closes it, but for one that two are to decide on: it waits for the second and, where they differ, for a third.
    """
    require_json(request)
    row = await _seen(request)
    id_ = str(row["request_id"])
    said, noted = await reviewing.settle(request.app[SERVICE].store, id_, await request.read(), _adjudicators(request))
    body: dict[str, object] = {
        "object": "ensemble.review",
        "request_id": id_,
        "status": "waiting" if row["blind"] and await _half(request, id_) else "decided",
        "decided_by": said.given_by,
        "feedback_id": noted.id,
    }
    return json_response(body, request, status=201)


def _adjudicators(request: web.Request) -> tuple[str, ...]:
    return request.app[SERVICE].settings.reviews.adjudicators


def _sight(request: web.Request) -> Sight | None:
    caller = request[CALLER]
    return None if caller.key is None or caller.may("admin") else Sight(key=caller.key.id, tenant=caller.key.tenant)


async def _seen(request: web.Request) -> Review:
    """The row that the address names. Raises NotFound for those of others, too."""
    id_ = request.match_info["id"]
    row = await reviewing.one(request.app[SERVICE].store, id_)
    if not request[CALLER].sees(row):
        raise NotFound(f"nothing of request {id_!r} waits for a review", param="id")
    return row


async def _half(request: web.Request, id_: str) -> bool:
    return (await reviewing.one(request.app[SERVICE].store, id_))["status"] != "decided"


def _told(row: Review) -> dict[str, object]:
    return {"object": "ensemble.review", **{name: value for name, value in row.items() if name not in HIDDEN}}
