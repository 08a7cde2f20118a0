"""Several workers are one service: what clients, counters and budgets see, and what happens when workers go."""

import asyncio
import json
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from sqlite_utils import Database

from ensemble.allowance import Limit
from ensemble.keys.issuing import a_key, create
from ensemble.simulator import Simulator, SimulatorSettings
from ensemble.store import open_store
from tests.patience import PATIENCE_S
from tests.process import Running, running
from tests.served import PARTS

TABLES = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "longest"

[server]
drain_s = 5
watch_s = 0
keys = true
"""
WORKER = "x-ensemble-worker"


@dataclass
class Clients:
    """Clients that ask one question after the other, and what became of it."""

    http: aiohttp.ClientSession
    over: bool = False
    answered: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    workers: Counter[str] = field(default_factory=Counter)

    async def ask(self, question: str = "Why is the sky blue?") -> int:
        body = {"model": "panel", "messages": [{"role": "user", "content": question}]}
        async with self.http.post("/v1/chat/completions", json=body) as reply:
            said = await reply.text()
            self.workers[reply.headers[WORKER]] += 1
            if reply.status == 200:
                self.answered.append(reply.headers["x-ensemble-request-id"])
            else:
                self.refused.append(said)
            return reply.status

    async def load(self) -> None:
        while not self.over:
            try:
                await self.ask()
            except aiohttp.ClientError as error:
                self.refused.append(repr(error))

    @asynccontextmanager
    async def under_way(self, count: int = 16) -> AsyncIterator[None]:
        """Let ``count`` of them ask until the context ends."""
        self.over = False
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self.load())
            try:
                yield
            finally:
                self.over = True

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - of other processes
                await asyncio.sleep(0.05)


async def keyed(folder: Path, name: str, *limits: str) -> str:
    """The secret of a new key."""
    key = a_key(name, scopes=("admin",), limits=tuple(map(Limit.parse, limits)))
    store = await open_store(folder / "ensemble.db")
    try:
        return await store.change(lambda db: create(db, key))
    finally:
        await store.close()


@asynccontextmanager
async def served(folder: Path, *limits: str) -> AsyncIterator[tuple[Running, Clients, Simulator]]:
    """Two workers, and clients with a key.

    Members take their time, so that whoever goes has requests under way and clients do not keep the cores from starting
    whoever comes.
    """
    secret = await keyed(folder, "app", *limits)
    async with Simulator(SimulatorSettings(latency=0.5)) as simulator:
        for name in ("alpha", "beta", "gamma", "critic"):
            simulator.script(name, [])
        config = folder / "ensemble.toml"
        parts = PARTS.format(base_url=simulator.base_url).replace("price", "max_output_tokens = 50\nprice")
        config.write_text(parts + TABLES)
        headers = {"Authorization": f"Bearer {secret}"}
        async with (
            running(config, "--workers", "2", "--quiet") as server,
            aiohttp.ClientSession(server.url, headers=headers) as http,
        ):
            yield server, Clients(http), simulator


def children(server: Running) -> set[int]:
    """Processes of the workers."""
    found = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return {int(pid) for pid in found.split()}


def shared_folder_of(worker: int) -> str:
    """What the process of a worker was told of."""
    told = Path(f"/proc/{worker}/cmdline").read_bytes().split(b"\0")[-2]
    return str(json.loads(told)["folder"])


async def counted(http: aiohttp.ClientSession, name: str) -> float:
    """The sum over all labels, which every worker must tell alike."""
    (one,) = set(await scraped(http, name))
    return one


async def scraped(http: aiohttp.ClientSession, name: str) -> list[float]:
    """The sum over all labels, as each of the workers tells it."""
    told: dict[str, float] = {}
    while len(told) < 2:
        async with http.get("/metrics", headers={"Connection": "close"}) as reply:
            found = re.findall(rf"^{name}(?:{{.*}})? (.*)$", await reply.text(), re.MULTILINE)
            told[reply.headers[WORKER]] = sum(map(float, found))
    return [*told.values()]


def recorded(folder: Path) -> set[str]:
    with closing(Database(folder / "ensemble.db")) as db:
        return {row[0] for row in db.execute("SELECT id FROM requests WHERE status = 'answered'")}


@pytest.mark.timeout(600)
async def test_two_workers_are_one_service(tmp_path: Path) -> None:
    # One story, since each start of a process takes a second or two.
    async with served(tmp_path, "requests=75/total", "usd=1/total") as (server, clients, _):
        await budgets_and_counters_hold(server, clients, tmp_path)
        free = await keyed(tmp_path, "free")
        async with aiohttp.ClientSession(server.url, headers={"Authorization": f"Bearer {free}"}) as http:
            others = Clients(http)
            await who_signs_in_is_known_to_both(server, free)
            await a_killed_one_loses_nothing(server, others, tmp_path)
            # A request that was not answered to anybody may have been recorded.
            counted_before = await counted(http, "ensemble_requests_total") - len(others.answered)
            others.refused.clear()
            await all_are_replaced(server, others, tmp_path / "ensemble.toml")
            assert await counted(http, "ensemble_requests_total") == len(others.answered) + counted_before
        server.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            status, errors = await server.stopped()
    assert status == 0, errors
    assert {*clients.answered, *others.answered} <= recorded(tmp_path)
    assert "locked" not in errors
    assert "died: by SIGKILL" in errors
    assert "is not TOML" in errors
    assert "did not start" in errors


async def budgets_and_counters_hold(server: Running, clients: Clients, folder: Path) -> None:
    assert "workers: 2" in server.line
    async with asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(clients.ask(f"What is {number} plus 3?"))
    assert len(clients.answered) == 75, clients.refused[:3]
    assert all("rate_limit_exceeded" in said for said in clients.refused)
    assert set(clients.workers) == {"1", "2"}
    assert min(clients.workers.values()) >= 5
    assert await counted(clients.http, "ensemble_requests_total") == 75
    assert await counted(clients.http, "ensemble_calls_total") == 225
    assert await counted(clients.http, "ensemble_request_seconds_count") == 75
    assert recorded(folder) == set(clients.answered)
    with closing(Database(folder / "ensemble.db")) as db:
        spent = db.execute("SELECT sum(nano_usd) FROM calls").fetchone()
        await clients.until(lambda: not db.execute("SELECT count(*) FROM key_holds").fetchone()[0])
        assert db.execute("SELECT nano_usd FROM key_usage WHERE per = 'total'").fetchone() == spent


async def who_signs_in_is_known_to_both(server: Running, secret: str) -> None:
    seen: Counter[str] = Counter()
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(server.url, cookie_jar=jar, headers={"Connection": "close"}) as browser:

        async def page() -> str:
            async with browser.get("/ui/sign-in") as reply:
                assert reply.status == 200
                seen[reply.headers[WORKER]] += 1
                (csrf,) = set(re.findall(r'name="csrf" value="(\w+)"', await reply.text()))
                return str(csrf)

        forms = {await page() for _ in range(8)}
        assert len(forms) == 1, "a form of one worker may be sent to another"
        signing = browser.post("/ui/sign-in", data={"csrf": forms.pop(), "key": secret}, allow_redirects=False)
        async with signing as reply:
            assert reply.status == 303
        seen.clear()
        async with asyncio.timeout(PATIENCE_S):
            while len(seen) < 2:
                async with browser.get("/ui", allow_redirects=False) as reply:
                    assert reply.status == 200
                    seen[reply.headers[WORKER]] += 1


async def a_killed_one_loses_nothing(server: Running, clients: Clients, folder: Path) -> None:
    before = children(server)
    async with clients.under_way():
        await clients.until(lambda: len(clients.answered) > 20)
        os.kill(min(before), signal.SIGKILL)
        seen = len(clients.answered)
        await clients.until(lambda: len(clients.answered) > seen + 50 and len(children(server)) == 2)
        clients.workers.clear()
        await clients.until(lambda: len(clients.workers) == 2)
    assert len(children(server) & before) == 1
    assert set(clients.answered) <= recorded(folder)
    assert len(clients.refused) <= 16, "those that it was at work on, and no others"
    async with asyncio.timeout(PATIENCE_S):
        while sum(await scraped(clients.http, "ensemble_requests_in_flight")):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def all_are_replaced(server: Running, clients: Clients, config: Path) -> None:
    before, good = children(server), config.read_text()  # noqa: ASYNC240 - a few bytes
    async with clients.under_way():
        config.write_text(good.replace("[members.alpha]", "[members.alpha"))  # noqa: ASYNC240
        server.process.send_signal(signal.SIGHUP)
        await clients.until(lambda: len(children(server)) == 3)
        await clients.until(lambda: len(children(server)) == 2)
        assert children(server) == before, "what cannot be used replaces nobody"
        config.write_text(good)  # noqa: ASYNC240
        server.process.send_signal(signal.SIGHUP)
        await clients.until(lambda: not children(server) & before and len(children(server)) == 2)
        clients.workers.clear()
        await clients.until(lambda: len(clients.workers) == 2)
    assert clients.refused == []


async def test_workers_end_with_their_supervisor(tmp_path: Path) -> None:
    async with served(tmp_path) as (server, clients, simulator):
        gate = simulator.hold("alpha")
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(clients.ask())
            await simulator.until(lambda: simulator.in_flight("alpha") == 1)
            folder = shared_folder_of(children(server).pop())
            server.process.kill()
            await clients.until(lambda: server.process.returncode is not None)
            gate.set()
        assert asked.result() == 200, "what was under way is answered"
        async with asyncio.timeout(PATIENCE_S):
            await server.stopped()  # not before every process that writes there has ended
    assert not Path(folder).exists()  # noqa: ASYNC240
