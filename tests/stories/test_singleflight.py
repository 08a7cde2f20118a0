"""Identical requests under way at the same moment are answered once, where the operator wants it so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ensemble.keys.issuing import a_key, create
from ensemble.simulator.script import reply, status
from tests.patience import PATIENCE_S
from tests.served import Served, a_question, serving

TABLES = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta"]
judge = "llm"

[server]
drain_s = 0.2
singleflight = {on}
"""


@pytest.fixture
async def served(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    on = getattr(request, "param", "true")
    async with serving(tmp_path, TABLES.format(on=on)) as running:
        yield running


async def together(served: Served, *, headers: list[dict[str, str]], first: str = "alpha", **changes: Any) -> list[Any]:
    """The bodies of requests that are all under way before any of them is answered."""
    gate = served.simulator.hold(first, "An answer for all who asked, at some length.")
    served.simulator.script("beta", [reply("Another.")] * len(headers))

    async def ask(with_: dict[str, str]) -> Any:
        async with served.http.post(
            f"{served.url}/chat/completions", json=a_question(**changes), headers=with_
        ) as said:
            return await said.text()

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(ask(with_)) for with_ in headers]
        await served.simulator.until(in_flight=1)
        await all_under_way(served, 1)
        gate.set()
    return [task.result() for task in asked]


@pytest.mark.parametrize("stream", [False, True])
async def test_they_are_paid_once_the_judge_included(served: Served, stream: bool) -> None:
    bodies = await together(served, headers=[{}] * 5, stream=stream)
    assert len(set(bodies)) == 1
    models = [one.model for one in served.simulator.served]
    assert (models.count("alpha"), models.count("beta")) == (1, 1)
    assert 1 <= models.count("critic") <= 2
    assert (await served.service.store.counts())["requests"] == 1


@pytest.mark.parametrize("served", ["false"], indirect=True)
async def test_it_is_off_unless_it_is_wanted(served: Served) -> None:
    await together(served, headers=[{}] * 3)
    assert (await served.service.store.counts())["requests"] == 3


async def test_keys_and_fresh_answers_go_their_own_way(served: Served) -> None:
    headers = []
    for name in ("one", "two"):
        secret = await served.service.store.change(lambda db, name=name: create(db, a_key(name)))  # type: ignore[misc]
        headers.append({"Authorization": f"Bearer {secret}"})
    headers.append(headers[0] | {"x-ensemble-cache": "refresh"})
    await together(served, headers=headers)
    assert (await served.service.store.counts())["requests"] == 3


async def test_who_waited_for_one_that_failed_asks_for_itself(served: Served) -> None:
    for name in ("alpha", "beta"):
        served.simulator.script(name, [status(500), reply(f"{name} is well again")])
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(served.post()) for _ in range(2)]
    assert sorted(task.result()[0] for task in asked) == [200, 502]
    assert (await served.service.store.counts())["requests"] == 2


async def test_those_who_waited_for_a_failure_do_not_wait_for_each_other(served: Served) -> None:
    await not_in_single_file(served)


async def all_under_way(served: Served, count: int) -> None:
    """Wait until so many requests are under way and have looked into the log."""
    async with asyncio.timeout(PATIENCE_S):
        while served.service.under_way < count:
            await served.service.store.counts()
    for _ in range(10):  # behind theirs
        await served.service.store.counts()


async def not_in_single_file(served: Served, under_way: int = 1, **changes: Any) -> None:
    """Three at once, the first of whom fails: the other two are then at work at the same moment."""
    failing = asyncio.Event()
    served.simulator.script("alpha", [replace(status(500), gate=failing)])
    served.simulator.script("beta", [status(500)] * 3)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(served.post(a_question(**changes))) for _ in range(3)]
        await served.simulator.until(in_flight=1)
        await all_under_way(served, under_way)
        gates = [served.simulator.hold("alpha", "A whole answer."), served.simulator.hold("alpha", "A whole answer.")]
        failing.set()
        await served.simulator.until(in_flight=2)
        for gate in gates:
            gate.set()
    assert sorted(task.result()[0] for task in asked) == [200, 200, 502]


async def test_who_has_less_time_does_not_wait_for_the_first(served: Served) -> None:
    gate = served.simulator.hold("alpha", "At last.")
    served.simulator.always("beta", reply("At once, and at some length."))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(served.post(a_question()))
        await served.simulator.until(in_flight=1)
        async with asyncio.timeout(PATIENCE_S):
            code, _, _ = await served.post(a_question(), headers={"x-ensemble-deadline-ms": "1000"})
        assert code == 200
        assert not first.done()
        gate.set()
    assert first.result()[0] == 200
