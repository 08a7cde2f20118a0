"""Answers that are taken once more: opt-in, candidate by candidate, never across keys or tenants."""

import asyncio
from pathlib import Path
from typing import Any

from ensemble.keys.issuing import a_key, create
from ensemble.simulator.script import reply, status
from ensemble.store.keeping.connect import writing
from ensemble.store.keeping.erase import Scope, erase
from tests.patience import PATIENCE_S
from tests.served import Served, a_question, a_tool
from tests.stories.conftest import Serve
from tests.stories.test_singleflight import all_under_way, not_in_single_file

TABLES = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta"]
judge = "longest"
cache_s = 3600

[routers.wider]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "longest"
cache_s = 3600

[routers.plain]
use = "parallel"
members = ["alpha", "beta"]
judge = "longest"
"""


async def told(served: Served, *, headers: dict[str, str] | None = None, **changes: Any) -> tuple[dict[str, Any], int]:
    """The reply, and how many calls reached the members for it."""
    before = len(served.simulator.served)
    code, said, _ = await served.post(a_question(**changes), headers=headers or {})
    assert code == 200, said
    return said, len(served.simulator.served) - before


async def bearer(served: Served, name: str, **more: object) -> dict[str, str]:
    secret = await served.service.store.change(lambda db: create(db, a_key(name, ("use", "read"), **more)))
    return {"Authorization": f"Bearer {secret}"}


async def test_the_same_again_is_free_and_says_the_same(serve: Serve) -> None:
    served = await serve(TABLES)
    served.simulator.script("beta", [reply("The longest answer of them all.")])
    first, calls = await told(served)
    again, none = await told(served)
    assert (calls, none) == (2, 0)
    assert again["id"] != first["id"]
    assert (again["choices"], again["usage"], again["model"]) == (first["choices"], first["usage"], first["model"])
    record = await served.record(again["id"])
    assert {(call["transport"], call["nano_usd"], call["attempt"]) for call in record["calls"]} == {("cache", 0, 0)}
    assert [verdict["usable"] for verdict in record["verdicts"]] == [False], "a repetition is no new evidence"


async def test_a_wider_panel_pays_for_its_new_member_alone(serve: Serve) -> None:
    served = await serve(TABLES)
    await told(served)
    _, calls = await told(served, model="wider")
    assert calls == 1
    assert served.simulator.served[-1].model == "gamma"


async def test_what_differs_is_asked_anew(serve: Serve) -> None:
    served = await serve(TABLES)
    await told(served)
    for changes in ({"text": "Why is it green?"}, {"temperature": 0.5}, {"seed": 7}, {"tools": [a_tool()]}):
        assert (await told(served, **changes))[1] == 2, changes


async def test_it_is_opt_in_and_a_request_may_opt_out(serve: Serve) -> None:
    served = await serve(TABLES)
    await told(served, model="plain")
    assert (await told(served, model="plain"))[1] == 2
    assert (await told(served))[1] == 2, "what was asked without a cache is not in it"
    assert (await told(served, headers={"x-ensemble-cache": "off"}))[1] == 2
    served.simulator.script("alpha", [reply("Something new, and rather long.")])
    said, calls = await told(served, headers={"x-ensemble-cache": "refresh"})
    assert calls == 2
    assert (await told(served))[0]["choices"] == said["choices"]
    code, problem, _ = await served.post(headers={"x-ensemble-cache": "yes"})
    assert (code, problem["error"]["param"]) == (400, "x-ensemble-cache")


async def test_nobody_gets_what_another_key_paid_for(serve: Serve) -> None:
    served = await serve(TABLES)
    one, two = await bearer(served, "one", tenant="acme"), await bearer(served, "two", tenant="acme")
    other = await bearer(served, "three", tenant="other")
    counts = [(await told(served, headers=headers))[1] for headers in (one, two, other, one, two, other)]
    assert counts == [2, 2, 2, 0, 0, 0]


async def test_what_failed_or_was_cut_off_is_not_taken_again(serve: Serve) -> None:
    served = await serve(TABLES)
    served.simulator.script("alpha", [status(500)])
    served.simulator.script("beta", [reply("cut off in the", finish="length")])
    await told(served)
    assert (await told(served))[1] == 2


async def test_equal_calls_at_the_same_moment_are_made_once(serve: Serve) -> None:
    served = await serve(TABLES)
    gate = served.simulator.hold("alpha", "One answer for all who asked, at some length.")
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(served.post()) for _ in range(5)]
        await served.simulator.until(n_requests=2, in_flight=1)
        await all_under_way(served, 5)
        gate.set()
    assert {task.result()[0] for task in asked} == {200}
    assert len({task.result()[1]["id"] for task in asked}) == 5
    assert len(served.simulator.served) == 2


async def test_an_answer_is_there_for_the_next_one_while_the_rest_of_its_panel_is_at_work(serve: Serve) -> None:
    served = await serve(TABLES)
    gate = served.simulator.hold("alpha", "One answer for all who asked, at some length.")
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(served.post())]
        await served.simulator.until(n_requests=2, in_flight=1)  # beta has answered, and nothing is in the log yet
        await all_under_way(served, 1)
        asked.append(group.create_task(served.post()))
        await all_under_way(served, 2)
        gate.set()
    assert [task.result()[0] for task in asked] == [200, 200]
    assert len(served.simulator.served) == 2
    assert not served.service.flying.calls, "what is in the log need not be kept in memory"


async def test_a_refresh_waits_for_nothing_that_may_come_from_before(serve: Serve) -> None:
    served = await serve(TABLES)
    gate = served.simulator.hold("alpha", "One answer for all who asked, at some length.")
    async with asyncio.TaskGroup() as group:
        group.create_task(served.post())
        await served.simulator.until(n_requests=2, in_flight=1)
        async with asyncio.timeout(PATIENCE_S):
            assert (await told(served, headers={"x-ensemble-cache": "refresh"}))[1] == 2
        gate.set()


async def test_those_who_waited_for_a_failure_do_not_wait_for_each_other(serve: Serve) -> None:
    await not_in_single_file(await serve(TABLES), under_way=3)


async def test_texts_that_are_gone_are_asked_for_anew(serve: Serve, tmp_path: Path) -> None:
    served = await serve(TABLES)
    said, _ = await told(served)
    id_ = said["id"].removeprefix("chatcmpl-")
    path = tmp_path / "ensemble.db"

    def gone() -> None:
        with writing(path) as log:
            erase(log, path, Scope(ids=(id_,)))

    await asyncio.to_thread(gone)
    assert (await told(served))[1] == 2


async def test_another_provider_under_the_same_name_is_asked_itself(serve: Serve, tmp_path: Path) -> None:
    """But a limit of it may change."""
    served = await serve(TABLES)
    await told(served)
    file = tmp_path / "ensemble.toml"
    for old, new, calls in (
        ("base_url", "requests_per_minute = 9_000\nbase_url", 0),
        ("127.0.0.1", "localhost", 2),
        ("localhost", "127.0.0.1", 0),
    ):
        file.write_text(file.read_text().replace(old, new))
        await served.service.reload()
        assert (await told(served))[1] == calls, (old, new)
