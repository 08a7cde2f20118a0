"""All candidates side by side, with the verdict: for people who look into a request, and for pages."""

from collections.abc import Iterator

from aiohttp import web

from ensemble.dialects import comparing, openai_chat
from ensemble.dialects.dialect import problem_of
from ensemble.events import Event, Listener
from ensemble.server import sse
from ensemble.server.answering import SERVICE, request_of
from ensemble.server.auth import require_json
from ensemble.server.shape import id_headers, json_response, told
from ensemble.types import Request

NAME = "compare"
routes = web.RouteTableDef()


@routes.post("/v1/ensemble/compare")
async def compare(request: web.Request) -> web.StreamResponse:
    """Every candidate of a request and the verdict on them; the body is that of a chat completion.

    With ``stream`` it tells of each candidate as it comes, and ends with the same object.
    """
    require_json(request)
    asked = openai_chat.parse(await request.read())
    ask = request_of(request, asked, NAME)
    if asked.stream:
        return await _streamed(request, ask)
    return json_response(comparing.render(await request.app[SERVICE].answer(ask)), request)


async def _streamed(request: web.Request, ask: Request) -> web.StreamResponse:
    service = request.app[SERVICE]

    async def work(listen: Listener) -> bytes:
        try:
            return comparing.last(await service.answer(ask, on_event=listen))
        except Exception as error:  # noqa: BLE001 - the status has been sent, so every error becomes an event
            return openai_chat.error_frame(problem_of(told(error, request)), ask.id)

    async def frames(event: Event) -> Iterator[bytes]:
        return comparing.frames(event)

    return await sse.follow(
        request, work, frames, headers=id_headers(request), keepalive_s=service.settings.server.keepalive_s
    )
