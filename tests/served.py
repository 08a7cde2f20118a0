"""The whole product over real HTTP: simulated providers, a real log in a file, the server, clients."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from ensemble.server.app import make_app
from ensemble.service import Service, open_service
from ensemble.simulator import Simulator, SimulatorSettings

if TYPE_CHECKING:
    from openai import AsyncOpenAI

PARTS = """
[providers.sim]
use = "openai"
base_url = "{base_url}"

[members.alpha]
provider = "sim"
model = "alpha"
max_attempts = 1
price = {{ input = 1, output = 2 }}

[members.beta]
provider = "sim"
model = "beta"
max_attempts = 1
price = {{ input = 1, output = 2 }}

[members.gamma]
provider = "sim"
model = "gamma"
max_attempts = 1
price = {{ input = 1, output = 2 }}

[members.critic]
provider = "sim"
model = "critic"
max_attempts = 1
price = {{ input = 1, output = 2 }}

[judges.longest]
use = "longest"

[judges.llm]
use = "pairwise"
model = "critic"
"""
"""Three members for a panel and one for the judge; ``longest`` is a judge that a test can foresee.

Nobody is asked twice, since the pauses between attempts are long.
"""
PANEL = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "longest"
"""
SERVER = """
[server]
drain_s = 0.2
"""

TRANSPORT: ContextVar[str | None] = ContextVar("transport", default=None)
"""How providers are called that say nothing of it themselves; None for the product's own default."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running server with what stands behind it; ``url`` ends with ``/v1``."""

    service: Service
    simulator: Simulator
    http: aiohttp.ClientSession
    root: str
    app: web.Application

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    def client(self, **options: Any) -> "AsyncOpenAI":
        """The official client; use it as a context manager."""
        from openai import AsyncOpenAI

        return AsyncOpenAI(**{"base_url": self.url, "api_key": "none", "max_retries": 0, **options})

    async def get(self, path: str, **options: Any) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON and headers of a GET."""
        async with self.http.get(self.root + path, **options) as reply:
            return reply.status, await reply.json(), reply.headers

    async def post(self, body: Any = None, **options: Any) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON and headers of a chat completion; without ``body`` a short question to the panel."""
        told = options.pop("data", None) or json.dumps(body if body is not None else a_question()).encode()
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        async with self.http.post(f"{self.url}/chat/completions", data=told, headers=headers, **options) as reply:
            return reply.status, await reply.json(), reply.headers

    async def record(self, request_id: str) -> dict[str, Any]:
        """All that the log has of one request, late rows included."""
        await self.service.idle()
        status, record, _ = await self.get(f"/v1/ensemble/requests/{request_id}")
        assert status == 200, record
        return dict(record)


def a_question(text: str = "Why is the sky blue?", **changes: Any) -> dict[str, Any]:
    """A body for the panel."""
    return {"model": "panel", "messages": [{"role": "user", "content": text}], **changes}


def a_tool(name: str = "weather") -> dict[str, Any]:
    """A tool definition."""
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def called(parts: str) -> str:
    """``parts`` of a configuration with every provider called over ``TRANSPORT``."""
    chosen = TRANSPORT.get()
    if chosen is None:
        return parts
    return re.sub(r'^use = "(?:openai|anthropic)"$', rf'\g<0>\ntransport = "{chosen}"', parts, flags=re.MULTILINE)


@asynccontextmanager
async def serving(
    folder: Path, tables: str = PANEL + SERVER, *, parts: str = PARTS, simulated: SimulatorSettings | None = None
) -> AsyncIterator[Served]:
    """Serve a configuration of ``parts`` and ``tables``, written into ``folder``, over a simulator of its own."""
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(simulated))
        for name in ("alpha", "beta", "gamma", "critic"):
            simulator.script(name, [])  # a name that is told what to do joins the fleet
        file = folder / "ensemble.toml"
        urls = {"base_url": simulator.base_url, "anthropic_url": simulator.anthropic_url}
        file.write_text(called(parts.format(**urls)) + tables, encoding="utf-8")
        service = await stack.enter_async_context(open_service(file))
        app = make_app(service)
        server = await stack.enter_async_context(TestServer(app))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Served(service, simulator, http, str(server.make_url("/")).rstrip("/"), app)
