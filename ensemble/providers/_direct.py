"""Calls without an SDK: one aiohttp session per provider, bodies and replies as bytes.

What is sent and how calls fail is what the SDKs make of it; the tests in ``tests/ensemble/providers/`` run over both.
"""

import asyncio
import ssl
from abc import abstractmethod
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import AsyncExitStack
from contextvars import Context
from functools import partial
from io import BytesIO
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit, urlunsplit

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.tracing import Trace
from multidict import CIMultiDictProxy
from yarl import URL

from ensemble import tracing
from ensemble.providers._failures import failed_status
from ensemble.providers._http import Incoming, Transport, Wire, beginning, idle_s
from ensemble.providers._options import Address
from ensemble.providers._posting import MOST_BYTES, Posted, Way, understood, way_of
from ensemble.providers._sdk import SdkProvider
from ensemble.providers._silence import Handler
from ensemble.providers._text import Secrets

_AT_ONCE_BYTES = 2**20
"""A longer body is written in pieces, so that it does not hold up the event loop."""


class DirectProvider(SdkProvider):
    """A provider that is spoken to without its SDK, unless that is wanted."""

    outside: ClassVar[frozenset[str]] = SdkProvider.outside | {"transport"}

    base_url: Address
    transport: Transport = "direct"
    """How calls are made: ``direct`` over HTTP alone, or ``sdk`` through the provider's own SDK, which costs several
    times as much; batches go through the SDK in any case."""

    @abstractmethod
    def dressed(self) -> dict[str, str]:
        """Every header of a request. Blocks.

        Raises:
            ConfigError: what the environment must hold is missing.
        """

    async def _direct(self, stack: AsyncExitStack, secrets: Secrets) -> Wire | None:
        if self.transport == "sdk":
            return None
        address = await asyncio.to_thread(_Address, self)
        session = await stack.enter_async_context(address.session())
        sender = _Sender(session, address, secrets)
        return Wire("direct", sender.post, secrets, self.max_body_bytes, (aiohttp.ClientError, OSError))


class _Address:
    """Where and how one provider is called. Making it blocks, since files are read for it."""

    def __init__(self, provider: DirectProvider) -> None:
        self.base_url, self.query = provider.base_url, dict(provider.query)
        self.headers = provider.dressed()
        self.proxy: dict[str, Any] = {}
        if proxy := provider.proxy_address():
            self._take_proxy(proxy)
        self.trust = _trust(provider)
        self.timeout = aiohttp.ClientTimeout(
            connect=provider.silence_timeout_s,
            sock_connect=provider.connect_timeout_s,
            sock_read=provider.silence_timeout_s,
        )

    def _take_proxy(self, address: str) -> None:
        """The proxy is told who asks: by the request itself, or ahead of the tunnel that TLS needs."""
        parts = urlsplit(address)
        self.proxy["proxy"] = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        if parts.username is None:
            return
        login, password = unquote(parts.username), unquote(parts.password or "")
        told = {"proxy-authorization": aiohttp.encode_basic_auth(login, password, "latin1")}
        if self.base_url.startswith("https:"):
            self.proxy["proxy_headers"] = told
        else:
            self.headers |= told

    def session(self) -> aiohttp.ClientSession:
        """A client of its own connections, to be closed by the caller."""
        # 0 is no limit; calls in flight are limited before they come here.
        connector = _Connector(limit=0, keepalive_timeout=idle_s(self.base_url), ssl=self.trust)
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=self.headers, timeout=self.timeout
        )


class _Connector(aiohttp.TCPConnector):
    """Opens connections that keep nothing of the request for which they were opened, and watch silence cheaply.

    A transport holds the context of its beginning for as long as it lives, and that of a request leads to its body.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = partial(Handler, self._loop)  # type: ignore[assignment]  # of a derived class

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as aiohttp has it
    ) -> ResponseHandler:
        opening = self._loop.create_task(super()._create_connection(req, traces, timeout), context=Context())
        try:
            return await opening
        except asyncio.CancelledError:
            if opening.done() and not opening.cancelled() and opening.exception() is None:
                opening.result().close()  # cancelled in the turn of the loop in which it stood
            raise
        finally:
            del opening  # else a failure and this frame would hold each other


class _Sender:
    """Posts to one provider."""

    def __init__(self, session: aiohttp.ClientSession, address: _Address, secrets: Secrets) -> None:
        self._session = session
        self._address = address
        self._secrets = secrets
        self._plain = understood() and not address.proxy
        self._loop = asyncio.get_running_loop()
        self._urls: dict[str, tuple[URL, Way | None]] = {}

    async def post(self, path: str, body: bytes) -> Incoming:
        """As ``Post``."""
        url, way = self._urls.get(path) or self._reached(path)
        response: Posted | aiohttp.ClientResponse
        if way is not None and len(body) <= MOST_BYTES:
            response = await way.post(body, tracing.headers())
        else:
            response = await self._session.post(
                url,
                data=body if len(body) <= _AT_ONCE_BYTES else BytesIO(body),
                headers=tracing.headers(),
                allow_redirects=False,
                **self._address.proxy,
            )
        received = Received(response, self._secrets)
        if response.status == 200:
            return received
        try:
            read = await beginning(received.more, (aiohttp.ClientError, OSError))
            raise failed_status(response.status, received.headers, read, self._secrets)
        finally:
            await received.close()

    def _reached(self, path: str) -> tuple[URL, Way | None]:
        try:
            url = URL(self._address.base_url + path)
        except ValueError as error:
            raise aiohttp.InvalidURL(self._address.base_url, str(error)) from error
        url = url.update_query(self._address.query) if self._address.query else url
        way = way_of(self._session, url, self._address.headers, self._loop) if self._plain else None
        self._urls[path] = url, way
        return url, way


class Received:
    """A reply as ``Incoming``, out of an aiohttp session."""

    __slots__ = ("_response", "headers", "secrets")

    def __init__(self, response: aiohttp.ClientResponse | Posted, secrets: Secrets) -> None:
        self._response = response
        self.headers: Mapping[str, str] = Heads(response.headers)
        self.secrets = secrets

    def more(self) -> Awaitable[bytes]:
        """As ``Incoming.more``."""
        return self._response.content.readany()

    async def close(self) -> None:
        """As ``Incoming.close``."""
        self._response.release()


class Heads(Mapping[str, str]):
    """Headers of a reply as the SDKs' client tells them: those of one name joined, Latin-1 where they are no UTF-8."""

    __slots__ = ("_held",)

    def __init__(self, held: CIMultiDictProxy[str]) -> None:
        self._held = held

    def __getitem__(self, name: str) -> str:
        values = self._held.getall(name)
        text = values[0] if len(values) == 1 else ", ".join(values)
        return text if text.isascii() else _decoded(text)

    def get(self, name: str, default: Any = None) -> Any:
        """As of every mapping, without an exception for each header that is not there: most are not."""
        return self[name] if name in self._held else default

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name in self._held))

    def __len__(self) -> int:
        return len(set(self))


def _decoded(text: str) -> str:
    sent = text.encode("utf-8", "surrogateescape")
    try:
        return sent.decode()
    except UnicodeDecodeError:
        return sent.decode("latin-1")


def _trust(provider: DirectProvider) -> ssl.SSLContext | bool:
    """Whom to trust, which without ``ca_file`` is whom the SDKs trust."""
    trust = provider.trust()
    if trust is True and provider.base_url.startswith("https:"):
        import httpx2  # what the SDKs stand on, and light without them

        return httpx2.create_ssl_context(trust_env=False)
    return trust
