"""Calls by the providers' own SDKs: one guarded client, and how it sends.

The SDKs follow redirects, read replies of any length and take headers from the environment; the hooks here undo that.
"""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ensemble import tracing
from ensemble.errors import CallFailed
from ensemble.provider import Connection
from ensemble.providers._connection import Format, HttpConnection
from ensemble.providers._failures import failed_status
from ensemble.providers._http import Incoming, Wire, beginning, idle_s
from ensemble.providers._options import HttpProvider
from ensemble.providers._text import Secrets
from judges.types import Prompt

if TYPE_CHECKING:
    import ssl

    import httpx2

_ROUTING_HEADERS = frozenset({"host", "content-length", "transfer-encoding"})


class Ask(Protocol):
    """Sends a request of an API and returns the reply with its body unread.

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
    ) -> Incoming: ...


class Opened(NamedTuple):
    """An SDK's client: what to close, how to ask, and what asking raises beside what every transport raises."""

    client: "httpx2.AsyncClient"
    ask: Ask
    errors: type[Exception]


class Way(NamedTuple):
    """The way by an SDK: for calls, and for what else its API has."""

    wire: Wire
    ask: Ask


BySdk = Callable[[], Awaitable[Way]]
"""Opens the SDK if nobody has yet."""


class SdkProvider(HttpProvider):
    """A provider that can be reached by an SDK."""

    @abstractmethod
    def open(self) -> Opened:
        """Import the SDK and make one client of it. Blocks.

        Raises:
            ConfigError: what the environment must hold is missing.
        """

    @abstractmethod
    def format(self) -> Format:
        """The wire format, in the manner of this server."""

    def dropped(self, prompt: Prompt) -> tuple[str, ...]:
        """As ``Provider.dropped``."""
        try:
            return self.format().body("", prompt, stream=False)[1]
        except CallFailed:  # it cannot be sent at all, so nothing of it is dropped
            return ()

    def connection(self, wire: Wire, by_sdk: BySdk) -> Connection:
        """What calls are made by: over ``wire``, with ``by_sdk`` for what that cannot carry."""
        return HttpConnection(wire, self.format())

    def connect(self) -> AbstractAsyncContextManager[Connection]:
        return self._connected()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        # In threads: the import takes half a second, and keys and certificates are read from disk.
        secrets = await asyncio.to_thread(self.secrets)
        async with AsyncExitStack() as stack:
            ways, opening = list[Way](), asyncio.Lock()

            async def by_sdk() -> Way:
                async with opening:
                    if not ways:
                        opened = await asyncio.to_thread(self.open)
                        stack.push_async_callback(opened.client.aclose)
                        ways.append(self._way(opened, secrets))
                return ways[0]

            wire = await self._direct(stack, secrets) or (await by_sdk()).wire
            yield self.connection(wire, by_sdk)

    async def _direct(self, stack: AsyncExitStack, secrets: Secrets) -> Wire | None:
        """A way without the SDK, to be closed by ``stack``; None where there is none, or another is wanted."""
        return None

    def _way(self, opened: Opened, secrets: Secrets) -> Way:
        async def post(path: str, body: bytes) -> Incoming:
            return await opened.ask(path, body=body)

        errors = (*_transport_errors(), opened.errors)
        return Way(Wire("sdk", post, secrets, self.max_body_bytes, errors), opened.ask)


def client_settings(provider: HttpProvider, base_url: str, headers: Mapping[str, str] | None) -> dict[str, Any]:
    """Arguments for an SDK's ``DefaultAioHttpClient``. Blocks while certificates are read.

    ``headers`` are all that a request carries; None leaves the SDK's own, for those that sign them.

    Raises:
        ConfigError: what the environment must hold is missing.
    """
    import httpx2

    secrets, errors = provider.secrets(), _transport_errors()

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
            received = Received(response, secrets)
            body = await beginning(received.more, errors)
            raise failed_status(response.status_code, response.headers, body, received.secrets)

    return {
        "follow_redirects": False,
        "trust_env": False,
        "verify": _system() if (trust := provider.trust()) is True else trust,
        "proxy": provider.proxy_address(),
        # 0 is no limit to aiohttp; calls in flight are limited before they come here.
        "limits": httpx2.Limits(max_connections=0, keepalive_expiry=idle_s(base_url)),
        "timeout": httpx2.Timeout(provider.silence_timeout_s, connect=provider.connect_timeout_s),
        "event_hooks": {"request": [put_on], "response": [check]},
    }


@cache
def _system() -> "ssl.SSLContext":
    """Trust in the certificates of the system, read once as aiohttp does: each client for itself takes 30 ms for it."""
    import httpx2

    return httpx2.create_ssl_context(trust_env=False)


class Received:
    """A reply as ``Incoming``, out of an SDK's client."""

    __slots__ = ("_pieces", "_response", "headers", "secrets")

    def __init__(self, response: "httpx2.Response", secrets: Secrets) -> None:
        self._response = response
        self.headers: Mapping[str, str] = response.headers
        self.secrets = _and_sent(secrets, response.request.headers)
        self._pieces = response.aiter_bytes()

    async def more(self) -> bytes:
        """As ``Incoming.more``."""
        return await anext(self._pieces, b"")

    async def close(self) -> None:
        """As ``Incoming.close``."""
        await self._pieces.aclose()
        await self._response.aclose()


def asking(sdk: Any, stream_cls: Any, secrets: Secrets) -> Ask:
    """How ``sdk``, a client of OpenAI's or Anthropic's, sends anything that its API has."""
    import httpx2

    # Asked for the response itself, the SDK hands it over unread and unparsed, whatever stream_cls says.
    unread: dict[str, Any] = {"cast_to": httpx2.Response, "stream": True, "stream_cls": stream_cls}

    async def ask(
        path: str,
        *,
        body: bytes | None = None,
        file: bytes | None = None,
        fields: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Incoming:
        if file is not None:
            reply = await sdk.post(
                path,
                body=dict(fields or {}),
                files=[("file", ("batch.jsonl", file, "application/jsonl"))],
                options={"headers": {"Content-Type": "multipart/form-data"}},
                **unread,
            )
        elif body is not None:
            reply = await sdk.post(path, content=body, **unread)
        else:
            reply = await sdk.get(path, options={"params": dict(query or {})}, **unread)
        return Received(reply, secrets)

    return ask


def _transport_errors() -> tuple[type[Exception], ...]:
    """What aiohttp and its bridge to the SDKs raise. OSError covers TLS, broken connections and timeouts."""
    import aiohttp
    import httpx2

    return (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, aiohttp.ClientError, OSError)


def _and_sent(secrets: Secrets, headers: Mapping[str, str]) -> Secrets:
    """``secrets`` and the tokens of a request: a cloud's SDK fetches them, so no option names them."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    tokens = [token if scheme.lower() == "bearer" else "", headers.get("x-amz-security-token", "")]
    return Secrets([*secrets.texts, *(token for token in tokens if token not in secrets.texts)])
