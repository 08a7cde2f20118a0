"""How every provider's HTTP is spoken, whatever its wire format: one guarded client, capped reading, events.

The SDKs follow redirects, read replies of any length and take headers from the environment; the hooks here undo that.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ensemble import tracing
from ensemble.errors import CallFailed
from ensemble.providers._failures import earlier, failed_status, failed_transport, request_id
from ensemble.providers._frames import MEDIA_TYPE, BrokenFrame, unframed
from ensemble.providers._options import HttpProvider
from ensemble.providers._text import NotJson, Secrets, from_json
from ensemble.types import Failure
from judges.types import Completion

if TYPE_CHECKING:
    import httpx2

_MOST_ERROR_BYTES = 64 * 1024
_HTTP_IDLE_S, _HTTPS_IDLE_S = 4.0, 30.0  # uvicorn, behind most local servers, closes an idle connection after 5 s
_DRAIN_S = 0.1
_ROUTING_HEADERS = frozenset({"host", "content-length", "transfer-encoding"})

Post = Callable[[bytes], Awaitable["httpx2.Response"]]
"""Sends one body of JSON and returns the reply with its own body unread."""


class Ask(Protocol):
    """Sends a further request of the same API and returns the reply with its body unread.

    With ``body`` or ``file`` it is a POST, else a GET. ``file`` goes as a form beside ``fields``.
    """

    async def __call__(
        self,
        path: str,
        *,
        body: bytes | None = None,
        file: bytes | None = None,
        fields: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> "httpx2.Response": ...


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


def client_settings(provider: HttpProvider, base_url: str, headers: Mapping[str, str] | None) -> dict[str, Any]:
    """Arguments for an SDK's ``DefaultAioHttpClient``. Blocks while certificates are read.

    ``headers`` are all that a request carries; None leaves the SDK's own, for those that sign them.

    Raises:
        ConfigError: what the environment must hold is missing.
    """
    import httpx2

    secrets = provider.secrets()

    async def put_on(request: httpx2.Request) -> None:
        if headers is not None:
            form = request.headers.get("content-type", "")  # of an upload: it tells where its parts begin
            for name in [name for name in request.headers if name not in _ROUTING_HEADERS]:
                del request.headers[name]
            request.headers.update(headers)
            if form.startswith("multipart/"):
                request.headers["content-type"] = form
        request.headers.update(tracing.headers())

    async def check(response: httpx2.Response) -> None:
        if response.status_code != 200:
            body = await _beginning(response)
            raise failed_status(
                response.status_code, response.headers, body, _and_sent(secrets, response.request.headers)
            )

    idle_s = _HTTPS_IDLE_S if base_url.startswith("https:") else _HTTP_IDLE_S
    return {
        "follow_redirects": False,
        "trust_env": False,
        "verify": provider.trust(),
        "proxy": provider.proxy_address(),
        # 0 is no limit to aiohttp; calls in flight are limited before they come here.
        "limits": httpx2.Limits(max_connections=0, keepalive_expiry=idle_s),
        "timeout": httpx2.Timeout(provider.silence_timeout_s, connect=provider.connect_timeout_s),
        "event_hooks": {"request": [put_on], "response": [check]},
    }


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply under status 200 whose body has not been read."""

    headers: Mapping[str, str]
    secrets: Secrets
    max_bytes: int
    _chunks: AsyncGenerator[bytes, None]

    @property
    def kind(self) -> str:
        """The media type without its parameters, in lower case; empty where the server names none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_json(self) -> bool:
        """JSON by its type, or of no type at all."""
        return self.kind in ("", "application/json") or self.kind.endswith("+json")

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives.

        Raises:
            CallFailed: it is longer than allowed.
        """
        size = 0
        async with aclosing(self._chunks) as arriving:
            async for chunk in arriving:
                size += len(chunk)
                if size > self.max_bytes:
                    raise self.bad(f"the reply is longer than max_body_bytes = {self.max_bytes}", failure="oversized")
                yield chunk

    async def document(self) -> object:
        """The body as JSON.

        Raises:
            CallFailed: it is none.
        """
        if not self.is_json:
            raise self.bad(f"the reply is {self.kind}, not JSON")
        pieces = []
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                pieces.append(chunk)
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
        read = unframed if self.kind == MEDIA_TYPE else _server_sent
        try:
            async with aclosing(read(self.chunks())) as events:
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
        async with aclosing(self._chunks) as arriving:
            async for chunk in arriving:
                *ends, rest = chunk.split(b"\n")
                for end in ends:
                    if size + len(end) <= self.max_bytes:
                        yield b"".join((*kept, end))
                    kept, size = [], 0
                size += len(rest)
                kept = [*kept, rest] if size <= self.max_bytes else []
        if kept and size <= self.max_bytes:
            yield b"".join(kept)

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

    post: Post
    secrets: Secrets
    max_bytes: int
    errors: tuple[type[Exception], ...]

    def exchange(self, body: bytes) -> AbstractAsyncContextManager[Reply]:
        """Send ``body`` and give the reply, as ``receive`` does."""
        return self.receive(lambda: self.post(body))

    @asynccontextmanager
    async def receive(self, send: Callable[[], Awaitable["httpx2.Response"]]) -> AsyncIterator[Reply]:
        """Call ``send`` and give the reply; unless it was read whole, its connection is closed with the block.

        Raises:
            CallFailed: whatever the transport or the SDK raised, and every status but 200.
        """
        headers: Mapping[str, str] | None = None
        try:
            response = await send()
            headers = response.headers
            try:
                secrets = _and_sent(self.secrets, response.request.headers)
                yield Reply(headers, secrets, self.max_bytes, response.aiter_bytes())
            finally:
                await response.aclose()
        except self.errors as error:
            if told := earlier(error):
                raise told from None
            raise failed_transport(error, self.secrets, headers) from error


def transport_errors() -> tuple[type[Exception], ...]:
    """What aiohttp and its bridge to the SDKs raise. OSError covers TLS, broken connections and timeouts."""
    import aiohttp
    import httpx2

    return (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, aiohttp.ClientError, OSError)


def _and_sent(secrets: Secrets, headers: Mapping[str, str]) -> Secrets:
    """``secrets`` and the tokens of a request: a cloud's SDK fetches them, so no option names them."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    tokens = [token if scheme.lower() == "bearer" else "", headers.get("x-amz-security-token", "")]
    return Secrets([*secrets.texts, *(token for token in tokens if token not in secrets.texts)])


async def _beginning(response: "httpx2.Response") -> bytes:
    """As much of an error's body as is worth reading; less where the connection breaks."""
    pieces: list[bytes] = []
    try:
        async with aclosing(response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                pieces.append(chunk)
                if sum(map(len, pieces)) > _MOST_ERROR_BYTES:
                    break
    except transport_errors():
        pass  # the status alone says enough
    return b"".join(pieces)[:_MOST_ERROR_BYTES]


async def _server_sent(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The data of server-sent events (WHATWG HTML, section 9.2); their names are in the data too."""
    data: list[bytes] = []
    async with aclosing(_lines(chunks)) as lines:
        async for line in lines:
            if not line:
                if data:
                    yield b"\n".join(data)
                data = []
            elif line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Lines without their ends; the last one only if it has an end, since else nobody knows whether it is whole."""
    pieces: list[bytes] = []
    async for chunk in chunks:
        pieces.append(chunk)
        if b"\n" not in chunk and b"\r" not in chunk:
            continue  # joined once, when the line is whole: a long line must not cost its square
        *whole, rest = b"".join(pieces).splitlines(keepends=True)
        if rest.endswith(b"\n"):
            whole, rest = [*whole, rest], b""
        for line in whole:
            yield line.rstrip(b"\r\n")
        pieces = [rest] if rest else []
