"""Budgets of keys hold exactly: 200 requests at once, two processes on one log, and the ledger agrees."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest
from sqlite_utils import Database

from ensemble.allowance import Limit
from ensemble.keys.issuing import a_key, create
from ensemble.simulator import Simulator
from ensemble.store import open_store
from ensemble.store.api_keys import Key
from ensemble.store.budgets import standings
from tests.stories.conftest import Serve

CONFIG = """
[server]
drain_s = 5

[providers.sim]
use = "openai"
base_url = "{base_url}"

[members.alpha]
provider = "sim"
model = "small"
max_output_tokens = 50
price = {{ input = 1, output = 2 }}

[members.beta]
provider = "sim"
model = "large"
max_output_tokens = 50
price = {{ input = 3, output = 9 }}

[judges.longest]
use = "longest"

[routers.panel]
use = "parallel"
members = ["alpha", "beta"]
judge = "longest"
"""


@asynccontextmanager
async def process(config: Path) -> AsyncIterator[str]:
    """A server in a process of its own; its address."""
    program = "from ensemble.cli import main; main()"
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, "serve", "--port", "0", "--quiet",
        cwd=config.parent, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert started.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", (await started.stdout.readline()).decode())
        if found is None:
            pytest.fail((await started.communicate())[1].decode())
        yield found[0]
    finally:
        if started.returncode is None:
            started.terminate()
        _, errors = await started.communicate()
        assert errors == b""


async def keyed(path: Path, *limits: str) -> tuple[Key, str]:
    key = a_key("app", limits=tuple(map(Limit.parse, limits)))
    store = await open_store(path)
    secret = await store.change(lambda db: create(db, key))
    await store.close()
    return key, secret


async def test_two_processes_spend_no_more_than_the_budget(tmp_path: Path) -> None:
    config, log = tmp_path / "ensemble.toml", tmp_path / "ensemble.db"
    key, secret = await keyed(log, "usd=0.015/total", "requests=180/total")
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator())
        config.write_text(CONFIG.format(base_url=simulator.base_url))
        servers = [await stack.enter_async_context(process(config)) for _ in range(2)]
        http = await stack.enter_async_context(aiohttp.ClientSession(headers={"Authorization": f"Bearer {secret}"}))

        async def ask(number: int) -> tuple[int, str]:
            body = {"model": "panel", "messages": [{"role": "user", "content": f"What is {number} plus 3?"}]}
            async with http.post(f"{servers[number % 2]}/v1/chat/completions", json=body) as reply:
                said = await reply.json()
                return reply.status, said["error"]["code"] if reply.status != 200 else ""

        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(ask(number)) for number in range(200)]
    came = [task.result() for task in asked]
    assert {status for status, _ in came} == {200, 429}
    assert {code for _, code in came} - {""} == {"insufficient_quota", "rate_limit_exceeded"}
    with closing(Database(log)) as db:
        (spent,) = db.execute("SELECT sum(nano_usd) FROM calls").fetchone()
        money, requests = (one.used for one in standings(db, key.id, key.limits, key.created_at))
        (held,) = db.execute("SELECT count(*) FROM key_holds").fetchone()
        (kept,) = db.execute("SELECT count(*) FROM requests WHERE key_id = ?", [key.id]).fetchone()
    assert 0 < spent <= 15_000_000
    assert (money, requests, held) == (spent, 180, 0)
    assert kept == 180, "a refused request is in the log, one beyond the limit of requests is not even begun"


async def test_a_member_whose_cost_nobody_knows_is_refused_by_name(serve: Serve) -> None:
    served = await serve()
    key = a_key("app", limits=(Limit.parse("usd=1/day"),))
    secret = await served.service.store.change(lambda db: create(db, key))
    code, said, _ = await served.post(headers={"Authorization": f"Bearer {secret}"})
    assert (code, said["error"]["code"]) == (400, "unbounded_member")
    assert "alpha has no max_output_tokens" in said["error"]["message"]
    left_out = {one["member"]: one["failure"] for one in said["error"]["candidates"]}
    assert left_out == dict.fromkeys(("alpha", "beta", "gamma"), "unbounded")
    assert len(served.simulator.served) == 0
    body = {"model": "panel", "messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 20}
    assert (await served.post(body, headers={"Authorization": f"Bearer {secret}"}))[0] == 200


async def test_whoever_the_budget_did_not_cover_is_named_beside_the_answer(serve: Serve) -> None:
    served = await serve()
    body = {"model": "panel", "messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 20}
    assert "x-ensemble-warning" not in (await served.post(body))[2]
    key = a_key("app", limits=(Limit.parse("usd=0.0002/total"),))
    secret = await served.service.store.change(lambda db: create(db, key))
    code, _, headers = await served.post(body, headers={"Authorization": f"Bearer {secret}"})
    record = await served.record(headers["x-ensemble-request-id"])
    left_out = sorted(call["member"] for call in record["calls"] if call["failure"] == "over_budget")
    assert (code, len(left_out)) == (200, 2)
    told = f"the budget of the key did not cover {', '.join(left_out)}, so fewer were asked"
    assert (headers["x-ensemble-warning"], record["plan"]["warnings"]) == (told, [told])
