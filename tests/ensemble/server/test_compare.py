"""All candidates side by side: at once, or as they come."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ensemble.simulator.script import reply, status
from tests.served import SERVER, Served, a_question, serving

TABLES = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "longest"
"""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, TABLES + SERVER) as running:
        running.simulator.script("alpha", [reply("Short.")])
        running.simulator.script("beta", [reply("The longest of all of them.")])
        running.simulator.script("gamma", [status(500)])
        yield running


async def asked(served: Served, **changes: Any) -> tuple[int, Any]:
    async with served.http.post(f"{served.url}/ensemble/compare", json=a_question(**changes)) as answer:
        return answer.status, await answer.json()


def events(text: str) -> list[tuple[str, Any]]:
    blocks = [block.split("\n") for block in text.split("\n\n") if block.startswith("event:")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


async def test_every_candidate_every_failure_and_the_verdict(served: Served) -> None:
    code, said = await asked(served)
    assert code == 200
    assert {one["member"]: one["text"] for one in said["candidates"]} == {
        "alpha": "Short.",
        "beta": "The longest of all of them.",
    }
    assert [(one["member"], one["failure"], one["http_status"]) for one in said["failures"]] == [
        ("gamma", "overloaded", 500)
    ]
    assert (said["winner"], said["verdict"]["outcome"], said["router"]) == ("beta", "decided", "panel")
    assert said["cost"]["unpriced_calls"] == 0
    assert (await served.record(said["id"]))["dialect"] == "compare"


async def test_progress_comes_as_it_is_made_and_ends_with_the_same_object(served: Served) -> None:
    gate = served.simulator.hold("alpha", "An answer that takes its time.")
    body = a_question(stream=True)
    async with served.http.post(f"{served.url}/ensemble/compare", json=body) as answer:
        told = ""
        while told.count("candidate_done") < 2:
            told += (await answer.content.readany()).decode()
        assert "event: done" not in told
        gate.set()
        told += (await answer.content.read()).decode()
    named = events(told)
    assert [name for name, _ in named].count("candidate_started") == 3
    assert [name for name, _ in named].count("candidate_done") == 3
    assert [name for name, _ in named][-2:] == ["judged", "done"]
    failed = [data for name, data in named if name == "candidate_done" and data["failure"]]
    assert [(one["member"], one["text"]) for one in failed] == [("gamma", None)]
    assert named[-1][1]["object"] == "ensemble.comparison"
    assert len(named[-1][1]["candidates"]) == 2


async def test_what_goes_wrong_is_told_in_the_shape_of_the_moment(served: Served) -> None:
    code, said = await asked(served, model="nobody")
    assert (code, said["error"]["code"]) == (404, "model_not_found")
    for name in ("alpha", "beta", "gamma"):
        served.simulator.script(name, [status(500), status(500)])
    body = a_question(stream=True)
    async with served.http.post(f"{served.url}/ensemble/compare", json=body) as answer:
        pass
    async with served.http.post(f"{served.url}/ensemble/compare", json=body) as answer:
        assert "no_candidate" in await answer.text()
