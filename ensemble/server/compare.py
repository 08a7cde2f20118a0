"""All candidates side by side, with the verdict: for people who look into a request, and for pages."""

import asyncio
from contextlib import suppress

from aiohttp import web

from ensemble.dialects import comparing, openai_chat
from ensemble.dialects.dialect import problem_of
from ensemble.events import Event
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
    response = web.StreamResponse(headers={**sse.HEADERS, **id_headers(request)})
    news: asyncio.Queue[Event | None] = asyncio.Queue()  # no more than the plan has calls and verdicts
    try:
        await response.prepare(request)
        await response.write(openai_chat.KEEP_ALIVE)
    except ConnectionResetError:
        return response  # the client has gone before anything was asked
    async with asyncio.TaskGroup() as group:
        group.create_task(_telling(response, news, service.settings.server.keepalive_s))
        try:
            outcome = comparing.last(await service.answer(ask, on_event=news.put_nowait))
        except Exception as error:  # noqa: BLE001 - the status has been sent, so every error becomes an event
            outcome = openai_chat.error_frame(problem_of(told(error, request)), ask.id)
        news.put_nowait(None)
    with suppress(ConnectionResetError):  # the client has gone; the answer is in the log
        await response.write(outcome)
        await response.write_eof()
    return response


async def _telling(response: web.StreamResponse, news: asyncio.Queue[Event | None], keepalive_s: float) -> None:
    event: Event | None
    while True:
        try:
            async with asyncio.timeout(keepalive_s):
                event = await news.get()
            if event is None:
                return
            await sse.send(response, comparing.frames(event))
        except TimeoutError:
            await response.write(openai_chat.KEEP_ALIVE)
        except ConnectionResetError:
            return  # the client has gone: aiohttp cancels the handler
