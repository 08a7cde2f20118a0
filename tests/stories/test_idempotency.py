"""A client that asks again under the same idempotency key gets the same answer, and nobody is paid twice."""

import asyncio
import hashlib
import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ensemble.keys.issuing import a_key, create
from ensemble.server.idempotency import WORKING
from ensemble.simulator import Simulator
from ensemble.simulator.script import reply, status
from ensemble.store.database import Database
from ensemble.store.idempotency import Claim, claim, release, renew
from tests.patience import PATIENCE_S
from tests.process import running
from tests.served import PANEL, Served, a_question, a_tool
from tests.stories.conftest import Serve
from tests.stories.test_budgets import CONFIG

KEY = {"Idempotency-Key": "order-17"}
JUDGED = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "llm"
"""
WHOLE = {"ensemble": {"include": ["candidates", "verdict"]}}


async def raw(served: Served, path: str = "/v1/chat/completions", **options: Any) -> tuple[int, bytes, dict[str, str]]:
    async with served.http.post(served.root + path, **options) as answer:
        kept = {name: value for name, value in answer.headers.items() if name.startswith("x-ensemble")}
        return answer.status, await answer.read(), kept


@pytest.mark.parametrize(
    "changes",
    [{}, WHOLE, {"stream": True}, {"stream": True, **WHOLE}, {"tools": [a_tool()]}, {"logprobs": True}, {"n": 4}],
    ids=["plain", "whole", "stream", "whole stream", "tools", "logprobs", "several"],
)
async def test_the_answer_is_the_same_to_the_byte(serve: Serve, changes: dict[str, Any]) -> None:
    served = await serve(JUDGED)
    for name in ("alpha", "beta", "gamma"):
        served.simulator.script(name, [reply(f"{name} says so. " * len(name))])
    first = await raw(served, json=a_question(**changes), headers=KEY)
    calls = len(served.simulator.served)
    assert first[0] == 200
    assert await raw(served, json=a_question(**changes), headers=KEY) == first
    assert len(served.simulator.served) == calls
    assert (await served.service.store.counts())["requests"] == 1


async def test_the_official_client_may_retry(serve: Serve) -> None:
    served = await serve()
    async with served.client(default_headers=KEY) as client:
        turns: Any = [{"role": "user", "content": "Why?"}]
        ids = {(await client.chat.completions.create(model="panel", messages=turns)).id for _ in range(3)}
    assert len(ids) == 1
    assert len(served.simulator.served) == 3


async def test_anthropics_messages_keep_their_key_too(serve: Serve) -> None:
    served = await serve()
    body = {"model": "panel", "max_tokens": 50, "messages": [{"role": "user", "content": "Why?"}]}
    first = await raw(served, "/v1/messages", json=body, headers=KEY)
    assert first[0] == 200
    assert await raw(served, "/v1/messages", json=body, headers=KEY) == first


async def test_who_asks_meanwhile_waits_for_the_first(serve: Serve) -> None:
    served = await serve()
    gate = served.simulator.hold("alpha", "the answer to all of you, at some length")
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(raw(served, json=a_question(), headers=KEY)) for _ in range(5)]
        await served.simulator.until(in_flight=1)
        gate.set()
    assert len({task.result()[1] for task in asked}) == 1
    assert len(served.simulator.served) == 3
    assert not served.app[WORKING]


async def test_another_body_under_the_key_is_a_conflict(serve: Serve) -> None:
    served = await serve()
    await served.post(headers=KEY)
    code, said, _ = await served.post(a_question("Something else?"), headers=KEY)
    assert (code, said["error"]["code"], said["error"]["param"]) == (409, "conflict", "Idempotency-Key")
    assert len(served.simulator.served) == 3


async def test_what_failed_is_tried_anew(serve: Serve) -> None:
    served = await serve()
    for name in ("alpha", "beta", "gamma"):
        served.simulator.script(name, [status(500)])
    assert (await served.post(headers=KEY))[0] == 502
    assert (await served.post({"model": "panel"}, headers=KEY | {"Idempotency-Key": "bad"}))[0] == 400
    assert (await served.post(headers=KEY))[0] == 200
    assert (await served.post(headers=KEY | {"Idempotency-Key": "bad"}))[0] == 200


async def test_a_log_that_fails_is_told_as_what_it_is(serve: Serve, tmp_path: Path) -> None:
    served = await serve()
    gate = served.simulator.hold("alpha", "an answer that nobody can keep, at some length")
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(served.post(headers=KEY))
        await served.simulator.until(in_flight=1)
        file = tmp_path / "ensemble.db"
        file.rename(tmp_path / "gone")
        file.mkdir()
        gate.set()
    assert (asked.result()[0], asked.result()[1]["error"]["code"]) == (503, "store_unavailable")


async def test_what_is_not_recorded_needs_no_key(mixed: Served) -> None:
    for text in ("Why?", "Why not?", "Why?"):
        body = {"model": "panel", "messages": [{"role": "user", "content": text}]}
        async with asyncio.timeout(PATIENCE_S):
            code, said, _ = await raw(mixed, "/v1/messages/count_tokens", json=body, headers=KEY)
        assert code == 200, said


async def test_a_stream_that_failed_is_tried_anew(serve: Serve) -> None:
    served = await serve()
    for name in ("alpha", "beta", "gamma"):
        served.simulator.script(name, [status(500)])
    assert b"no_candidate" in (await raw(served, json=a_question(stream=True), headers=KEY))[1]
    assert b"[DONE]" in (await raw(served, json=a_question(stream=True), headers=KEY))[1]


async def test_keys_of_others_are_others(serve: Serve) -> None:
    served = await serve()
    ids = []
    for name in ("one", "two"):
        secret = await served.service.store.change(lambda db, name=name: create(db, a_key(name)))  # type: ignore[misc]
        _, said, _ = await served.post(headers=KEY | {"Authorization": f"Bearer {secret}"})
        ids.append(said["id"])
    assert ids[0] != ids[1]


async def test_who_waits_in_the_same_process_is_woken(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for patience in ("AGAIN_S", "LEASE_S"):  # so that nobody looks again by himself
        monkeypatch.setattr(f"ensemble.server.idempotency.{patience}", 3600.0)
    served = await serve()
    gate = served.simulator.hold("alpha", "the answer, at some length, to whoever waits for it")
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        asked = [group.create_task(raw(served, json=a_question(), headers=KEY))]
        await served.simulator.until(in_flight=1)
        asked += [group.create_task(raw(served, json=a_question(), headers=KEY)) for _ in range(2)]
        await asyncio.sleep(0.05)
        gate.set()
    assert {task.result()[0] for task in asked} == {200}
    assert len({task.result()[1] for task in asked}) == 1
    assert len(served.simulator.served) == 3
    assert not served.app[WORKING]


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tbed"])
async def test_a_bad_key_is_named(serve: Serve, key: str) -> None:
    served = await serve()
    code, said, _ = await served.post(headers={"Idempotency-Key": key})
    assert (code, said["error"]["param"]) == (400, "Idempotency-Key")


async def test_texts_that_are_not_kept_cannot_be_told_again(serve: Serve) -> None:
    served = await serve(PANEL + "store_content = false\n")
    assert (await served.post(headers=KEY))[0] == 200
    code, said, _ = await served.post(headers=KEY)
    assert (code, "not kept" in said["error"]["message"]) == (409, True)
    assert len(served.simulator.served) == 3


async def test_a_client_that_went_away_finds_what_went_on_behind_its_back(serve: Serve) -> None:
    served = await serve()
    gate = served.simulator.hold("alpha", "the answer, at some length, to whoever comes back")
    asking = asyncio.ensure_future(raw(served, json=a_question(), headers=KEY))  # noqa: TID251 - a client that vanishes
    await served.simulator.until(in_flight=1)
    asking.cancel()
    async with asyncio.TaskGroup() as group:
        again = group.create_task(raw(served, json=a_question(), headers=KEY))
        await asyncio.sleep(0.02)
        gate.set()
    assert again.result()[0] == 200
    assert len(served.simulator.served) == 3


async def test_the_key_is_kept_until_the_deadline_of_what_goes_on(serve: Serve) -> None:
    served = await serve()
    gate = served.simulator.hold("alpha", "the answer, at some length, to whoever comes back")
    body = json.dumps(a_question(ensemble={"deadline_s": 600})).encode()
    headers = KEY | {"Content-Type": "application/json"}
    asking = asyncio.ensure_future(raw(served, data=body, headers=headers))  # noqa: TID251 - a client that vanishes
    await served.simulator.until(in_flight=1)
    asking.cancel()
    async with asyncio.timeout(PATIENCE_S):
        while served.app[WORKING]:  # noqa: ASYNC110 - until the server has seen that nobody waits
            await asyncio.sleep(0.02)
    later = datetime.now(UTC) + timedelta(seconds=500)
    hashed = hashlib.sha256(b"/v1/chat/completions\0" + body).hexdigest()
    other = Claim(owner="", key=KEY["Idempotency-Key"], body_hash=hashed)
    found = await served.service.store.change(lambda db: claim(db, other, later, later, later - timedelta(hours=1)))
    assert found.state == "busy"
    gate.set()


async def test_who_lost_the_key_takes_it_from_nobody(serve: Serve) -> None:
    """Whoever was too slow to renew a lease frees only what is still its own."""
    served = await serve()
    now, mine = datetime.now(UTC), Claim(owner="", key="k", body_hash="h")
    hour = timedelta(hours=1)

    def story(db: Database) -> list[str]:
        slow = claim(db, mine, now, now, now - hour)
        quick = claim(db, mine, now + hour, now + 2 * hour, now - hour)
        renew(db, mine, now, at=slow.at)
        release(db, mine, at=slow.at)
        third = claim(db, mine, now + hour, now + 2 * hour, now - hour)
        release(db, mine, at=quick.at)
        return [one.state for one in (slow, quick, third, claim(db, mine, now + hour, now + hour, now - hour))]

    assert await served.service.store.change(story) == ["mine", "mine", "busy", "mine"]


async def test_whose_process_died_before_it_answered_holds_nobody_up_for_long(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = await serve()
    monkeypatch.setattr("ensemble.server.idempotency.LEASE_S", 0.3)
    now = datetime.now(UTC)
    body = json.dumps(a_question()).encode()
    hashed = hashlib.sha256(b"/v1/chat/completions\0" + body).hexdigest()
    dead = Claim(owner="", key=KEY["Idempotency-Key"], body_hash=hashed)
    until = now + timedelta(seconds=0.3)
    await served.service.store.change(lambda db: claim(db, dead, now, until, now - timedelta(hours=1)))
    headers = KEY | {"Content-Type": "application/json"}
    assert (await raw(served, data=body, headers=headers))[0] == 200
    assert datetime.now(UTC) >= until


async def test_whoever_is_at_work_goes_on_holding_the_key(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    served = await serve()
    monkeypatch.setattr("ensemble.server.idempotency.LEASE_S", 0.15)
    gate = served.simulator.hold("alpha", "an answer that takes longer than any lease")

    async def lease() -> str:
        sql = "SELECT lease_until FROM idempotency"
        return str(await served.service.store.read(lambda db: db.execute(sql).fetchone()[0]))

    async with asyncio.TaskGroup() as group:
        asked = group.create_task(raw(served, json=a_question(), headers=KEY))
        await served.simulator.until(in_flight=1)
        first = await lease()
        async with asyncio.timeout(PATIENCE_S):
            while await lease() == first:  # noqa: ASYNC110 - the log is another world
                await asyncio.sleep(0.02)
        gate.set()
    assert asked.result()[0] == 200


async def test_a_crash_between_commit_and_reply_costs_nothing_twice(tmp_path: Path) -> None:
    """The server is killed while a client waits; another process finds what had been committed, or asks anew once."""
    config = tmp_path / "ensemble.toml"
    async with Simulator() as simulator, aiohttp.ClientSession() as http:
        config.write_text(CONFIG.format(base_url=simulator.base_url))
        body = {"model": "panel", "messages": [{"role": "user", "content": "What is 2 plus 3?"}]}

        async def ask(url: str) -> tuple[int, bytes]:
            async with http.post(f"{url}/v1/chat/completions", json=body, headers=KEY) as answer:
                return answer.status, await answer.read()

        async with running(config) as server:
            first = await ask(server.url)
            server.process.send_signal(signal.SIGKILL)
            await server.process.wait()
        assert first[0] == 200
        async with running(config) as server:
            assert await ask(server.url) == first
        assert len(simulator.served) == 2
