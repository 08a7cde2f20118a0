"""A server on loopback that answers as a test tells it to, down to the bytes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from ensemble.providers._http import Transport

if TYPE_CHECKING:
    from tests.ensemble.providers.arriving import Recorder

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Received:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Upstream:
    """A provider; ``answer`` makes every reply, ``received`` holds every request.

    ``transport`` is how it is to be called, ``arrived`` is set by a request, ``gone`` by a client that hangs up.
    """

    transport: Transport
    url: str = ""
    answer: Answer | None = None
    received: list[Received] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    connections: set[object] = field(default_factory=set)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.connections.add(request.transport)
        sent = await request.read() or b"null"
        body = json.loads(sent) if request.content_type == "application/json" else sent
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path, dict(request.query), headers, body))
        self.arrived.set()
        assert self.answer is not None
        try:
            return await self.answer(request)
        except (asyncio.CancelledError, ConnectionResetError):
            self.gone.set()
            raise

    def says(self, data: object, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answer with ``data``: bytes as they are, anything else as JSON."""
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        dress = {"content-type": "application/json", **(headers or {})}

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(body=body, status=status, headers=dress)

        self.answer = answer

    def streams(self, *pieces: bytes, headers: dict[str, str] | None = None, cut: bool = False) -> None:
        """Send ``pieces`` one by one, then end the reply, or break the connection where ``cut``."""
        dress = {"content-type": "text/event-stream", **(headers or {})}

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers=dress)
            await response.prepare(request)
            for piece in pieces:
                await response.write(piece)
                await asyncio.sleep(0)
            if cut and request.transport is not None:
                request.transport.abort()
            return response

        self.answer = answer

    def hangs(self, *pieces: bytes, kind: str = "text/event-stream") -> None:
        """Send ``pieces``, then nothing, until the client has had enough."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"content-type": kind})
            await response.prepare(request)
            for piece in pieces:
                await response.write(piece)
            await asyncio.sleep(20)
            return response

        self.answer = answer


@pytest.fixture(params=["direct", "sdk"])
def transport(request: pytest.FixtureRequest) -> Transport:
    """Every test that makes calls runs over both; a module of what one alone can do overrides this."""
    return "sdk" if request.param == "sdk" else "direct"


@pytest.fixture
async def upstream(transport: Transport) -> AsyncIterator[Upstream]:
    server = Upstream(transport)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest.fixture
async def recorder(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator["Recorder"]:
    """A provider that keeps what arrives to the byte; it answers as OpenAI unless told otherwise."""
    from tests.ensemble.providers.arriving import KEY, REPLIES, recording  # which stands on this module

    monkeypatch.setenv("TEST_KEY", KEY)
    async with recording() as opened:
        opened.says(REPLIES["openai"][0])
        yield opened
