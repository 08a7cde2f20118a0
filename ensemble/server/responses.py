"""The routes of OpenAI's Responses: one that answers, one that reads an answer again."""

from functools import partial

from aiohttp import web

from ensemble.dialects import openai_responses
from ensemble.dialects.dialect import Asked
from ensemble.errors import InvalidRequest, NotFound, StoreError, StoreUnavailable
from ensemble.server.answering import SERVICE, replied
from ensemble.server.auth import CALLER, require_json
from ensemble.server.reviews import require_unsealed
from ensemble.server.shape import json_response
from ensemble.store.served import served
from ensemble.types import Answer, RequestId

routes = web.RouteTableDef()


@routes.post("/v1/responses")
async def create(request: web.Request) -> web.StreamResponse:
    """OpenAI's responses; ``model`` names a router or a member."""
    require_json(request)
    asked = openai_responses.parse(await request.read())
    if asked.continues is not None:
        asked = openai_responses.resumed(asked, await _stored(request, asked.continues, "previous_response_id"))
    return await replied(request, openai_responses, asked)


@routes.get(f"/v1/responses/{{id:{openai_responses.PREFIX}[^/]+}}")
async def retrieve(request: web.Request) -> web.Response:
    """An earlier response as it was; the record of the request has more.

    While two people are to decide on it, it is hidden from others of its tenant, who may be one of them: 409.
    """
    for name, value in request.query.items():
        if name != "include" and name != "include[]" and value != "false":
            raise InvalidRequest(f"{name}: not supported here: a response is read whole, as it was told", param=name)
    answer = await _stored(request, request.match_info["id"], "id")
    if not request[CALLER].asked(answer.request.key_id):  # whoever asked was told the member with the answer
        await require_unsealed(request, answer.request.id)
    asked = Asked(model=answer.request.model, prompt=answer.request.prompt)
    return json_response(openai_responses.render(answer, asked), request)


async def _stored(request: web.Request, id_: str, param: str) -> Answer:
    wanted = RequestId(id_.removeprefix(openai_responses.PREFIX))
    try:
        found = await request.app[SERVICE].store.read(partial(served, id_=wanted))
    except StoreError as error:
        raise StoreUnavailable(f"{param}: the log, which has the response, cannot be read: {error}") from error
    if found is not None and openai_responses.kept(found):
        whose = {"key_id": found.request.key_id, "tenant": found.request.tenant}
        if request[CALLER].sees(whose):
            return found
    raise NotFound(f"{param}: the log has no response {id_!r} whose texts it keeps", param=param)
