"""One connection for every wire format: ask, read, check, and keep what came when something went wrong."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import ClassVar, Protocol

from ensemble.errors import CallFailed
from ensemble.provider import Delta
from ensemble.providers._failures import Filtered, failed_inside, request_id, told_in
from ensemble.providers._http import Reply, Wire
from ensemble.providers._shapes import WrongShape
from ensemble.providers._text import SURROGATES, NotJson, Secrets, from_json, to_json
from judges.quick import replace
from judges.types import Completion, Prompt


class Gathering(Protocol):
    """An answer in the making."""

    @property
    def begun(self) -> bool:
        """Something worth keeping has come."""
        ...

    @property
    def answered(self) -> bool:
        """The model has said something, even if it is nothing: an empty text that it ended by itself."""
        ...

    @property
    def finish(self) -> str | None:
        """The wire's own word for why the answer ends; None until it has come."""
        ...

    @property
    def ended(self) -> bool:
        """The stream has said that it is over."""
        ...

    def take_whole(self, document: object) -> None:
        """Take a whole reply. Raises WrongShape."""
        ...

    def add_whole(self, document: object) -> Iterator[Delta]:
        """As ``take_whole``, and tell its pieces."""
        ...

    def add_event(self, document: object) -> Iterator[Delta]:
        """Take one event of a stream and tell what is new in it. Raises WrongShape."""
        ...

    def completion(
        self, *, partial: bool = False, request_id: str | None = None, dropped: tuple[str, ...] = ()
    ) -> Completion:
        """What has come so far, as an answer; ``request_id`` counts for more than the answer's own."""
        ...


class Format(Protocol):
    """A wire format, in the manner of one server."""

    path: ClassVar[str]
    """Where calls go, behind the provider's address."""

    def body(self, model: str, prompt: Prompt, *, stream: bool) -> tuple[Mapping[str, object], tuple[str, ...]]:
        """What to send, and the wire names of what was asked for and is not in it.

        Raises:
            CallFailed: the prompt cannot be said in this format.
        """
        ...

    def gathering(self) -> Gathering:
        """An empty answer."""
        ...


class HttpConnection:
    """An open client, shared by every task, whatever its ``wire`` goes over."""

    def __init__(self, wire: Wire, format: Format) -> None:
        self.transport: str = wire.transport
        self._wire = wire
        self._format = format

    def dropped(self, prompt: Prompt) -> tuple[str, ...]:
        """Wire names of what ``prompt`` asks for and would not be sent; nothing is sent to find out.

        Raises:
            CallFailed: the prompt cannot be said in this wire format at all.
        """
        return self._format.body("", prompt, stream=False)[1]

    async def complete(self, model: str, prompt: Prompt) -> Completion:
        """As ``Connection.complete``."""
        body, left_out = self._body(model, prompt, stream=False)
        gathered = self._format.gathering()
        try:
            async with self._wire.exchange(self._format.path, body) as reply:
                _take(await reply.document(), reply, gathered)
                return _answer(gathered, reply, left_out)
        except Filtered as filtered:
            return refusal(filtered, left_out)

    async def stream(self, model: str, prompt: Prompt) -> AsyncGenerator[Delta | Completion, None]:
        """As ``Connection.stream``. Close the generator to hang up."""
        clock = asyncio.get_running_loop().time
        begin, first_s = clock(), None
        body, left_out = self._body(model, prompt, stream=True)
        gathered = self._format.gathering()
        try:
            exchange = self._wire.exchange(self._format.path, body)
            async with exchange as reply, aclosing(_deltas(reply, gathered)) as deltas:
                async for delta in deltas:
                    first_s = clock() - begin if first_s is None else first_s
                    yield delta
                answer = _answer(gathered, reply, left_out)
        except Filtered as filtered:
            answer = refusal(filtered, left_out)
        except CallFailed as failed:
            if not gathered.begun:
                raise
            complete = failed.failure == "cut_stream" and gathered.finish is not None
            kept = replace(gathered.completion(partial=not complete), dropped=left_out, first_token_s=first_s)
            if failed.provider_request_id:
                kept = replace(kept, provider_request_id=failed.provider_request_id)
            if not complete:
                failed.completion = failed.completion or kept
                raise
            answer = kept  # the connection broke after the last word
        yield replace(answer, first_token_s=first_s)

    def _body(self, model: str, prompt: Prompt, *, stream: bool) -> tuple[bytes, tuple[str, ...]]:
        document, left_out = self._format.body(model, prompt, stream=stream)
        body, mended = encoded(document)
        return body, (*left_out, SURROGATES) if mended else left_out


def encoded(document: object) -> tuple[bytes, bool]:
    """``document`` as JSON, and whether it had to be mended for that.

    Raises:
        CallFailed: it is none.
    """
    try:
        return to_json(document)
    except TypeError as error:
        raise CallFailed(f"the request is no JSON: {error}", failure="rejected", sent=False) from error


def completion_in(document: object, format: Format, headers: Mapping[str, str], secrets: Secrets) -> Completion:
    """What a whole reply says that came inside something larger.

    Raises:
        CallFailed: as ``Connection.complete``.
    """
    reply = Reply(headers, secrets, 0, _nothing)
    gathered = format.gathering()
    try:
        _take(document, reply, gathered)
        return _answer(gathered, reply, ())
    except Filtered as filtered:
        return refusal(filtered, ())


async def _nothing() -> bytes:
    return b""


async def _deltas(reply: Reply, gathered: Gathering) -> AsyncGenerator[Delta, None]:
    """What is new in every event; ``gathered`` holds it all, also when this raises CallFailed."""
    if reply.kind and reply.is_json:  # a server that cannot stream answers as a whole
        for delta in _whole(await reply.document(), reply, gathered):
            yield delta
        return
    async with aclosing(reply.events()) as events:
        async for data in events:
            if data.strip() == b"[DONE]":
                await reply.drain(events)
                return
            for delta in _event(data, reply, gathered):
                yield delta
            if gathered.ended:
                await reply.drain(events)
                return
    if gathered.finish is None:
        raise reply.bad("the stream ended in the middle of the answer", failure="cut_stream")


def _take(document: object, reply: Reply, gathered: Gathering) -> None:
    try:
        gathered.take_whole(_checked(document, reply, streaming=False))
    except WrongShape as error:
        raise reply.bad(str(error)) from error


def _whole(document: object, reply: Reply, gathered: Gathering) -> Iterator[Delta]:
    try:
        yield from gathered.add_whole(_checked(document, reply, streaming=False))
    except WrongShape as error:
        raise reply.bad(str(error)) from error


def _event(data: bytes, reply: Reply, gathered: Gathering) -> Iterator[Delta]:
    try:
        yield from gathered.add_event(_checked(from_json(data), reply, streaming=True))
    except (NotJson, WrongShape) as error:
        raise reply.bad(f"an event of the stream cannot be read: {error}") from error


def _checked(document: object, reply: Reply, *, streaming: bool) -> object:
    """``document``, unless it holds an error: those come under status 200 too."""
    if isinstance(document, dict) and document.get("error"):
        raise failed_inside(told_in(document), reply.headers, reply.secrets, streaming=streaming)
    return document


def _answer(gathered: Gathering, reply: Reply, left_out: tuple[str, ...]) -> Completion:
    """The answer with what the reply's head adds.

    A text that the model itself left empty is an answer, and loses to others; a reply without any answer is a failure.
    """
    said = gathered.completion(request_id=request_id(reply.headers), dropped=left_out)
    if gathered.answered or said.finish_reason in ("length", "refusal"):
        return said
    raise reply.bad("the reply holds no answer", failure="empty", partial=said)


def refusal(filtered: Filtered, left_out: tuple[str, ...]) -> Completion:
    """The answer that a provider's filter has given."""
    return Completion(
        text=str(filtered),
        finish_reason="refusal",
        provider_request_id=filtered.provider_request_id,
        dropped=left_out,
    )
