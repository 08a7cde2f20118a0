"""What the chaos runs play in: a service of this process, simulated members behind proxies, the official client."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts import _runs
from scripts._chaos_proxy import Proxy

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from openai import AsyncOpenAI

    from ensemble.service import Service
    from ensemble.simulator import Simulator

MODELS = ("large", "balanced", "small", "judge")
PANEL = MODELS[:3]
DEADLINE_S = 3.0
CALL_S = 0.7
GOOD = "[[A]] The answer is 42, and that is all that there is to say of it in a few plain words."

PARTS = """
[providers.{name}]
use = "{wire}"
base_url = "http://127.0.0.1:{port}{path}"
max_body_bytes = 200_000
{provider}
[members.{name}]
provider = "{name}"
model = "{name}"
timeout_s = {call_s}
max_attempts = 2
max_output_tokens = 512
{member}price = {{ input = 1, output = 2 }}
"""
TABLES = """
[judges.pairs]
use = "pairwise"
model = "judge"

[routers.panel]
use = "parallel"
members = ["large", "balanced", "small"]
judge = "pairs"
deadline_s = {deadline_s}

[routers.led]
use = "parallel"
members = ["large", "balanced", "small"]
judge = "pairs"
deadline_s = {deadline_s}
streaming = "leader"
leader = "large"

[store]
path = {database}
"""


@dataclass(slots=True)
class Stage:
    """The service under test in this process, with its fleet behind proxies and a client before it."""

    service: "Service"
    simulator: "Simulator"
    proxies: Mapping[str, Proxy]
    client: "AsyncOpenAI"
    http: "ClientSession"
    root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """What the client got: ``text`` of an answer, or ``error`` with its code."""

    id: str
    status: int
    seconds: float
    text: str = ""
    error: str = ""


@asynccontextmanager
async def staged(
    folder: Path,
    *,
    member: str = "circuit_failures = 0\n",
    provider: str = "",
    store: str = "",
    database: Path | None = None,
) -> AsyncIterator[Stage]:
    """A service over simulated members of both wire formats, each behind a proxy of its own.

    ``member``, ``provider`` and ``store`` are lines for the tables of each of them; the log is in ``folder`` where no
    other ``database`` is named.
    """
    import aiohttp
    from aiohttp.test_utils import TestServer
    from openai import AsyncOpenAI

    from ensemble.server.app import make_app
    from ensemble.service import open_service
    from ensemble.simulator import Simulator, SimulatorSettings

    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(SimulatorSettings(latency=0.02, chunk_tokens=1)))
        proxies = {name: await stack.enter_async_context(Proxy(simulator.port)) for name in MODELS}
        parts = [
            PARTS.format(
                name=name,
                port=proxy.port,
                wire="anthropic" if name == "balanced" else "openai",
                path="" if name == "balanced" else "/v1",
                call_s=CALL_S,
                member=member,
                provider=provider,
            )
            for name, proxy in proxies.items()
        ]
        path = json.dumps(str(database or folder / "chaos.db"))
        config = folder / "chaos.toml"
        text = "".join(parts) + TABLES.format(deadline_s=DEADLINE_S + 1, database=path) + store
        await asyncio.to_thread(config.write_text, text, encoding="utf-8")
        service = await stack.enter_async_context(open_service(config))
        server = await stack.enter_async_context(TestServer(make_app(service)))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        root = str(server.make_url("/")).rstrip("/")
        client = AsyncOpenAI(base_url=f"{root}/v1", api_key="none", max_retries=0, timeout=30)
        stage = Stage(service, simulator, proxies, await stack.enter_async_context(client), http, root)
        stack.push_async_callback(service.drain, 2)
        yield stage


async def logged(stage: Stage, id_: str) -> Mapping[str, Any]:
    """All that the log has of a request; {} where it has none."""
    async with stage.http.get(f"{stage.root}/v1/ensemble/requests/{id_}") as told:
        return await told.json() if told.status == 200 else {}


async def ask(stage: Stage, router: str, *, stream: bool) -> Got:
    """One question with a deadline, as the official client asks it."""
    from openai import APIError, APIStatusError

    begin = time.monotonic()

    def seconds() -> float:
        return time.monotonic() - begin

    headers = {"x-ensemble-deadline-ms": str(round(DEADLINE_S * 1000))}
    id_, pieces = "", list[str]()
    try:
        raw = await stage.client.chat.completions.with_raw_response.create(
            model=router,
            messages=[{"role": "user", "content": "What is 6 times 7?"}],
            stream=stream,
            extra_headers=headers,
        )
        id_ = raw.headers["x-ensemble-request-id"]
        said: Any = raw.parse()
        if not stream:
            return Got(id=id_, status=200, seconds=seconds(), text=said.choices[0].message.content or "")
        async for chunk in said:
            pieces += [choice.delta.content or "" for choice in chunk.choices]
        return Got(id=id_, status=200, seconds=seconds(), text="".join(pieces))
    except APIStatusError as error:
        id_ = error.response.headers.get("x-ensemble-request-id", "")
        return Got(id=id_, status=error.status_code, seconds=seconds(), error=str(error.code))
    except APIError as error:
        return Got(id=id_, status=200, seconds=seconds(), text="".join(pieces), error=str(error.code or error))
    except _runs.client_errors() as error:
        return Got(id=id_, status=0, seconds=seconds(), error=f"{type(error).__name__}: {error}")
