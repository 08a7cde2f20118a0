"""The route by which feedback comes in."""

from functools import partial

from aiohttp import web

from ensemble.feedback import note, parse
from ensemble.server.answering import SERVICE
from ensemble.server.auth import CALLER, require_json
from ensemble.server.shape import json_response
from ensemble.store.feedback import add

KEY_HEADER = "Idempotency-Key"

routes = web.RouteTableDef()


@routes.post("/v1/ensemble/feedback")
async def feedback(request: web.Request) -> web.Response:
    """What a person or system says of an answer or conversation: 201 when stored, 200 when it was stored before."""
    require_json(request)
    said = parse(await request.read())
    caller = request[CALLER]
    key_id = caller.key.id if caller.key else None
    statement = said.statement("api", idempotency_key=request.headers.get(KEY_HEADER), key_id=key_id)
    noted = await note(request.app[SERVICE].store, statement, partial(add, sees=caller.sees))
    body: dict[str, object] = {
        "id": noted.id,
        "object": "ensemble.feedback",
        "request_id": statement.request,
        "conversation": statement.conversation,
        "given_by": statement.given_by,
        "rows": noted.rows,
        "created": noted.created,
    }
    return json_response(body, request, status=201 if noted.created else 200)
