"""Two replicas with one Redis and one log: limits, pauses, identical requests and idempotency keys hold over both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from ensemble.allowance import Limit
from ensemble.keys.issuing import a_key, create
from ensemble.server.app import make_app
from ensemble.service import open_service
from ensemble.simulator import Simulator
from ensemble.simulator.script import reply, status
from scripts._chaos_proxy import Proxy
from tests.redis_here import port, until
from tests.served import Served, a_question
from tests.services import redis_prefix

CONFIG = """
[providers.sim]
use = "openai"
transport = "direct"
base_url = "{base_url}"
{limits}

[members.alpha]
provider = "sim"
model = "alpha"
max_attempts = 1
max_output_tokens = 50
price = {{ input = 1, output = 2 }}

[routers.kept]
use = "parallel"
members = ["alpha"]
cache_s = 600

[server]
drain_s = 0.2
singleflight = true

[shared]
url = "redis://127.0.0.1:{port}/0"
prefix = "{prefix}"
replicas = 2
timeout_s = {timeout_s}
"""


class Replicas:
    """Two services over one simulator, one log and, through ``proxy``, one Redis."""

    def __init__(self, servers: list[Served], proxy: Proxy) -> None:
        self.servers, self.proxy = servers, proxy
        self.simulator = servers[0].simulator

    async def post(self, number: int, text: str = "Why?", *, model: str = "alpha", **headers: str) -> tuple[int, Any]:
        body = a_question(text, model=model)
        code, said, _ = await self.servers[number % 2].post(body, headers=headers)
        return code, said

    def told(self, number: int) -> bool:
        """Whether that replica has told Redis all its news."""
        shared = self.servers[number].service.shared
        assert shared is not None
        return not shared.reporting

    async def until_waiting(self, number: int) -> None:
        """Until a request at that replica waits for another one's flight."""
        shared = self.servers[number].service.shared
        assert shared is not None
        ask, asked = shared.ask, list[object]()

        async def asking(make: Any) -> Any:
            said = await ask(make)
            asked.append(said)
            return said

        shared.ask = asking  # type: ignore[method-assign]  # to see how far it has come
        await until(lambda: len(asked) > 2)


@asynccontextmanager
async def two(folder: Path, limits: str = "", timeout_s: float = 5.0) -> AsyncIterator[Replicas]:
    async with AsyncExitStack() as stack:
        prefix = await stack.enter_async_context(redis_prefix())
        simulator = await stack.enter_async_context(Simulator())
        proxy = await stack.enter_async_context(Proxy(port()))
        simulator.script("alpha", [])
        file = folder / "ensemble.toml"
        told = {"base_url": simulator.base_url, "port": proxy.port, "prefix": prefix, "timeout_s": timeout_s}
        file.write_text(CONFIG.format(limits=limits, **told), encoding="utf-8")
        http = await stack.enter_async_context(aiohttp.ClientSession())
        servers = []
        for _ in range(2):
            service = await stack.enter_async_context(open_service(file))
            app = make_app(service)
            server = await stack.enter_async_context(TestServer(app))
            servers.append(Served(service, simulator, http, str(server.make_url("/")).rstrip("/"), app))
        yield Replicas(servers, proxy)


async def test_both_together_ask_a_provider_no_more_often_than_it_allows(tmp_path: Path) -> None:
    async with two(tmp_path, "requests_per_minute = 600\nmax_in_flight = 3") as replicas:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(replicas.post(number, f"What is {number}?")) for number in range(30)]
        assert [task.result()[0] for task in asked] == [200] * 30
        served = sorted(replicas.simulator.served, key=lambda one: one.started)
        assert len(served) == 30
        # Ten a second. Each for itself they would be done in one second; load makes it only slower.
        assert served[-1].started - served[0].started > 1.9
        flying = [sum(o.started <= one.started < (o.ended or 0.0) for o in served) for one in served]
        assert max(flying) <= 3


async def test_a_pause_that_one_replica_was_asked_for_holds_the_other(tmp_path: Path) -> None:
    async with two(tmp_path) as replicas:
        replicas.simulator.script("alpha", [status(429, retry_after=1), reply("Now.")])
        assert (await replicas.post(0))[0] != 200
        await until(lambda: replicas.told(0))  # some milliseconds later, since news gather
        assert (await replicas.post(1))[0] == 200
        first, second = replicas.simulator.served
        assert second.started - first.started >= 0.95


async def test_the_same_prompt_on_both_at_once_is_answered_once(tmp_path: Path) -> None:
    async with two(tmp_path) as replicas:
        gate = replicas.simulator.hold("alpha", "One answer for all.")
        async with asyncio.TaskGroup() as group:
            first = group.create_task(replicas.post(0))
            await replicas.simulator.until(in_flight=1)
            second = group.create_task(replicas.post(1))
            await replicas.until_waiting(1)
            gate.set()
        assert first.result() == second.result()
        assert first.result()[0] == 200
        assert len(replicas.simulator.served) == 1
        assert (await replicas.servers[0].service.store.counts())["requests"] == 1


async def test_the_same_idempotency_key_on_both_is_answered_once(tmp_path: Path) -> None:
    async with two(tmp_path) as replicas:
        gate = replicas.simulator.hold("alpha", "One answer for all.")
        headers = {"Idempotency-Key": "one"}
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(replicas.post(0, **headers))]
            await replicas.simulator.until(in_flight=1)
            asked += [group.create_task(replicas.post(number, **headers)) for number in range(5)]
            gate.set()
        assert {task.result()[0] for task in asked} == {200}
        assert len({task.result()[1]["id"] for task in asked}) == 1
        assert len(replicas.simulator.served) == 1


async def test_an_answer_that_one_got_is_taken_again_by_the_other(tmp_path: Path) -> None:
    async with two(tmp_path) as replicas:
        replicas.simulator.script("alpha", [reply("Once."), reply("Twice.")])
        said = [(await replicas.post(number, model="kept"))[1] for number in range(2)]
        assert [one["choices"][0]["message"]["content"] for one in said] == ["Once.", "Once."]
        assert len(replicas.simulator.served) == 1


async def test_one_budget_holds_over_both(tmp_path: Path) -> None:
    async with two(tmp_path) as replicas:
        key = a_key("app", limits=(Limit.parse("requests=12/total"),))
        secret = await replicas.servers[0].service.store.change(lambda db: create(db, key))
        headers = {"Authorization": f"Bearer {secret}"}
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(replicas.post(number, f"{number}?", **headers)) for number in range(24)]
        codes = [task.result()[0] for task in asked]
        assert (codes.count(200), codes.count(429)) == (12, 12)
        assert len(replicas.simulator.served) == 12


async def metric(served: Served, name: str) -> float:
    async with served.http.get(f"{served.root}/metrics") as said:
        lines = (await said.text()).splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


async def test_without_redis_both_serve_on_say_so_and_recover(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with two(tmp_path, "requests_per_minute = 6000", timeout_s=1.0) as replicas:
        one = replicas.servers[0]
        assert (await replicas.post(0))[0] == 200
        _, ready, _ = await one.get("/readyz")
        assert (ready["shared"], await metric(one, "ensemble_shared_degraded")) == ("ok", 0)
        replicas.proxy.mode = "hang up"
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(replicas.post(number, f"What is {number}?")) for number in range(8)]
        assert {task.result()[0] for task in asked} == {200}
        code, ready, _ = await one.get("/readyz")
        assert (code, ready["shared"], await metric(one, "ensemble_shared_degraded")) == (200, "degraded", 1)
        replicas.proxy.mode = "pass"
        shared = one.service.shared
        assert shared is not None
        await until(lambda: shared.lost is None)
        _, ready, _ = await one.get("/readyz")
        assert ready["shared"] == "ok"
    told = [line.message for line in caplog.records if "shared Redis is gone" in line.message]
    assert len(told) == 2, "once for each replica"
