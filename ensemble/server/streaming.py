"""An answer as a stream: the status line waits for something to say, and from then on the stream never falls silent."""

import asyncio

from aiohttp import web

from ensemble.dialects.dialect import Asked, Dialect, problem_of
from ensemble.errors import EnsembleError
from ensemble.events import Done, Event, Listener
from ensemble.server import sse
from ensemble.server.shape import id_headers, told
from ensemble.service import Service
from ensemble.types import Answer, Request


async def streamed(
    request: web.Request, service: Service, dialect: Dialect, ask: Request, asked: Asked
) -> web.StreamResponse:
    """Let ``service`` answer ``ask`` in a stream of ``dialect``.

    Nothing is sent before the first candidate or ``[server] hold_s``: what fails until then is raised and gets a status
    of its own. What fails later is an event, since the status has been sent.

    Raises:
        EnsembleError: the request failed while the status line was held.
    """
    settings = service.settings.server
    response = web.StreamResponse(headers={**sse.HEADERS, **id_headers(request)})
    stream = _Stream()
    async with asyncio.TaskGroup() as group:
        work = group.create_task(_outcome(request, service, ask, stream.hear))
        work.add_done_callback(stream.over)
        await stream.news(settings.hold_s)
        try:
            if not (work.done() and isinstance(work.result(), EnsembleError)):
                await response.prepare(request)
                await response.write(dialect.KEEP_ALIVE)  # with which the status line leaves, too
                while not work.done():
                    if not await stream.news(settings.keepalive_s):
                        await response.write(dialect.KEEP_ALIVE)
        except ConnectionResetError:
            pass  # the client has gone: aiohttp cancels this handler, which decides what becomes of the work
    outcome = work.result()
    if isinstance(outcome, EnsembleError) and not response.prepared:
        raise outcome
    try:
        if isinstance(outcome, Answer):
            await sse.send(response, dialect.frames(outcome, asked))
        else:
            await sse.send(response, [dialect.error_frame(problem_of(outcome), ask.id)])
        await response.write_eof()
    except ConnectionResetError:
        pass  # the client has gone while it was being told; the answer is in the log
    return response


class _Stream:
    """What is heard of a request that is being answered."""

    def __init__(self) -> None:
        self._news = asyncio.Event()

    def hear(self, event: Event) -> None:
        """The listener of the request: a first candidate lets the status line go."""
        if isinstance(event, Done) and event.call.failure is None:
            self._news.set()

    def over(self, work: asyncio.Task[object]) -> None:
        """The request has ended."""
        self._news.set()

    async def news(self, seconds: float) -> bool:
        """Wait at most so long; whether there was anything new."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True


async def _outcome(request: web.Request, service: Service, ask: Request, listener: Listener) -> Answer | EnsembleError:
    try:
        return await service.answer(ask, on_event=listener)
    except Exception as error:  # noqa: BLE001 - it becomes a reply or an event, whichever it still can be
        return told(error, request)
