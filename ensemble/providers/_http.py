"""How every provider's HTTP is spoken, whatever its wire format and whoever carries it: capped reading, events."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal, NoReturn, Protocol

from ensemble.errors import CallFailed
from ensemble.providers._events import ServerSent
from ensemble.providers._failures import earlier, failed_transport, request_id
from ensemble.providers._frames import MEDIA_TYPE, BrokenFrame, unframed
from ensemble.providers._text import NotJson, Secrets, from_json
from ensemble.types import Failure
from judges.types import Completion

Transport = Literal["direct", "sdk"]

_MOST_ERROR_BYTES = 64 * 1024
_HTTP_IDLE_S, _HTTPS_IDLE_S = 4.0, 30.0  # uvicorn, behind most local servers, closes an idle connection after 5 s
_DRAIN_S = 0.1


class Incoming(Protocol):
    """A reply under status 200 whose body has not been read."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By name in lower case."""
        ...

    @property
    def secrets(self) -> Secrets:
        """What must not be told of it."""
        ...

    def more(self) -> Awaitable[bytes]:
        """The next piece of the body; empty at its end."""
        ...

    async def close(self) -> None:
        """Give the connection back, or close it where the body has not been read to its end."""
        ...


Post = Callable[[str, bytes], Awaitable[Incoming]]
"""Sends to a path a body of JSON."""


def dress(further: Mapping[str, str], auth: Mapping[str, str]) -> dict[str, str]:
    """Every header of a request; ``further`` come from the configuration and win."""
    return {
        "accept": "application/json, text/event-stream",
        "accept-encoding": "identity",  # else a small reply may unpack to gigabytes
        "content-type": "application/json",
        "user-agent": "ensemble-judges",
        **auth,
        **{name.lower(): value for name, value in further.items()},
    }


def idle_s(base_url: str) -> float:
    """Seconds that a connection without a call is kept."""
    return _HTTPS_IDLE_S if base_url.startswith("https:") else _HTTP_IDLE_S


@dataclass(slots=True)
class Reply:
    """A reply under status 200 whose body has not been read."""

    headers: Mapping[str, str]
    secrets: Secrets
    max_bytes: int
    _more: Callable[[], Awaitable[bytes]]

    @property
    def kind(self) -> str:
        """The media type without its parameters, in lower case; empty where the server names none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_json(self) -> bool:
        """JSON by its type, or of no type at all."""
        if self.headers.get("content-type") == "application/json":
            return True
        kind = self.kind
        return kind in ("", "application/json") or kind.endswith("+json")

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives.

        Raises:
            CallFailed: it is longer than allowed.
        """
        left = self.max_bytes
        while chunk := await self._more():
            yield chunk[:left]  # what came within the bounds counts, however it was cut into pieces
            left -= len(chunk)
            if left < 0:
                raise self._oversized()

    async def document(self) -> object:
        """The body as JSON.

        Raises:
            CallFailed: it is none.
        """
        if not self.is_json:
            raise self.bad(f"the reply is {self.kind}, not JSON")
        pieces: list[bytes] = []
        size = 0
        while piece := await self._more():
            pieces.append(piece)
            size += len(piece)
            if size > self.max_bytes:
                raise self._oversized()
        try:
            return from_json(b"".join(pieces))
        except NotJson as error:
            raise self.bad(f"the reply is no JSON: {error}") from error

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The data of every event of a stream. An event that the end of the stream cuts off is left out.

        Raises:
            CallFailed: the reply is no event stream, a broken one, or too long.
        """
        if self.kind not in ("", "text/event-stream", MEDIA_TYPE):
            raise self.bad(f"the reply is {self.kind}, not an event stream")
        if self.kind == MEDIA_TYPE:
            async for event in self._framed():
                yield event
            return
        left, parser = self.max_bytes, ServerSent()
        while piece := await self._more():
            for event in parser.feed(piece[:left]):
                yield event
            left -= len(piece)
            if left < 0:
                raise self._oversized()

    async def _framed(self) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(self.chunks()) as chunks, aclosing(unframed(chunks)) as events:
                async for event in events:
                    yield event
        except BrokenFrame as error:
            raise self.bad(f"the event stream is broken: {error}") from error

    async def drain(self, events: AsyncIterator[bytes]) -> None:
        """Read on after the last event that matters, since only a connection that was read to its end is used again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                async for _ in events:
                    pass

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """The lines of a body of any length; one that is itself longer than allowed is left out."""
        kept, size = list[bytes](), 0
        while chunk := await self._more():
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                if size + len(end) <= self.max_bytes:
                    yield b"".join((*kept, end))
                kept, size = [], 0
            size += len(rest)
            kept = [*kept, rest] if size <= self.max_bytes else []
        if kept and size <= self.max_bytes:
            yield b"".join(kept)

    def _oversized(self) -> CallFailed:
        return self.bad(f"the reply is longer than max_body_bytes = {self.max_bytes}", failure="oversized")

    def bad(self, words: str, *, failure: Failure = "bad_reply", partial: Completion | None = None) -> CallFailed:
        """The failure of a reply that cannot be used; asking again for one that is too long would not help."""
        return CallFailed(
            self.secrets.told(words),
            failure=failure,
            retryable=failure != "oversized",
            completion=partial,
            http_status=200,
            provider_request_id=request_id(self.headers),
        )


@dataclass(frozen=True, slots=True)
class Wire:
    """The open way to one provider. ``errors`` are what ``post`` may raise beside ``CallFailed``."""

    transport: Transport
    post: Post
    secrets: Secrets
    max_bytes: int
    errors: tuple[type[Exception], ...]

    def exchange(self, path: str, body: bytes) -> "Exchange":
        """Send ``body`` to ``path`` and give the reply."""
        return Exchange(self, partial(self.post, path, body))


class Exchange:
    """A request and its reply, as a context; unless it was read whole, its connection is closed with the block.

    Raises:
        CallFailed: whatever the transport or the SDK raised, and every status but 200.
    """

    __slots__ = ("_incoming", "_send", "_wire")

    def __init__(self, wire: Wire, send: Callable[[], Awaitable[Incoming]]) -> None:
        self._wire = wire
        self._send = send

    async def __aenter__(self) -> Reply:
        try:
            self._incoming = incoming = await self._send()
        except self._wire.errors as error:
            self._fail(error, None)
        return Reply(incoming.headers, incoming.secrets, self._wire.max_bytes, incoming.more)

    async def __aexit__(self, kind: object, raised: BaseException | None, trace: object) -> None:
        try:
            await self._incoming.close()
        except self._wire.errors as error:
            self._fail(error, self._incoming.headers)
        if isinstance(raised, self._wire.errors):
            self._fail(raised, self._incoming.headers)

    def _fail(self, error: Exception, headers: Mapping[str, str] | None) -> NoReturn:
        if told := earlier(error):
            raise told from None
        raise failed_transport(error, self._wire.secrets, headers) from error


async def beginning(more: Callable[[], Awaitable[bytes]], errors: tuple[type[Exception], ...]) -> bytes:
    """As much of an error's body as is worth reading; less where the connection breaks with one of ``errors``."""
    pieces, size = list[bytes](), 0
    with suppress(*errors):  # the status alone says enough
        while size <= _MOST_ERROR_BYTES and (piece := await more()):
            pieces.append(piece)
            size += len(piece)
    return b"".join(pieces)[:_MOST_ERROR_BYTES]
