"""An answer as a stream: the status line waits for something to say, and from then on the stream never falls silent."""

import asyncio
from collections.abc import Iterator

from aiohttp import web

from ensemble.dialects.dialect import Asked, Dialect, Growing, Told, problem_of
from ensemble.errors import EnsembleError
from ensemble.events import Began, Done, Event, Grew, Listener
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
    stream = _Stream(dialect, ask, asked)
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
                    await sse.send(response, stream.grown())
        except ConnectionResetError:
            pass  # the client has gone: aiohttp cancels this handler, which decides what becomes of the work
    outcome = work.result()
    if isinstance(outcome, EnsembleError) and not response.prepared:
        raise outcome
    try:
        if isinstance(outcome, Answer):
            await sse.send(response, stream.rest(outcome))
        else:
            await sse.send(response, [stream.error(outcome)])
        await response.write_eof()
    except ConnectionResetError:
        pass  # the client has gone while it was being told; the answer is in the log
    return response


class _Stream:
    """What is heard of a request that is being answered, and how much of it has been told."""

    def __init__(self, dialect: Dialect, ask: Request, asked: Asked) -> None:
        self._dialect, self._ask, self._asked = dialect, ask, asked
        self._news = asyncio.Event()
        self._leader: str | None = None
        self._heard: list[str] = []
        self._told = Told()

    def hear(self, event: Event) -> None:
        """The listener of the request: a first candidate, or a leader that begins to speak, lets the status line go."""
        match event:
            case Began(member=member, thought=thought):
                growing = isinstance(self._dialect, Growing) and self._dialect.can_grow(self._asked, thought)
                self._leader = member if growing else None
                self._news.set()
            case Grew(text=text) if self._leader is not None:
                self._heard.append(text)
                self._news.set()
            case Done(call=call) if call.failure is None:
                self._news.set()

    def grown(self) -> Iterator[bytes]:
        """What the leader has said since the last time, however many pieces it was."""
        if self._leader is None or not self._heard or not isinstance(self._dialect, Growing):
            return
        if not self._told.events:
            opening = tuple(self._dialect.opening(self._ask, self._leader, self._asked))
            self._told = Told(events=len(opening))
            yield from opening
        text = "".join(self._heard)
        self._heard.clear()
        yield self._dialect.growth(self._ask, self._leader, self._asked, text, self._told)
        self._told = Told(chars=self._told.chars + len(text), events=self._told.events + 1)

    def rest(self, answer: Answer) -> Iterator[bytes]:
        """All of ``answer`` that has not been told."""
        if self._told.events and isinstance(self._dialect, Growing):
            return self._dialect.closing(answer, self._asked, self._told)
        return self._dialect.frames(answer, self._asked)

    def error(self, error: EnsembleError) -> bytes:
        """``error`` behind what has been told."""
        return self._dialect.error_frame(problem_of(error), self._ask.id, self._told)

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
