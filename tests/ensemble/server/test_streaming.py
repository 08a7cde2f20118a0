"""When a stream begins, what it says while there is nothing to say, and where its errors stand."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ensemble.simulator import reply, status
from tests.patience import PATIENCE_S
from tests.served import PANEL, SERVER, Served, a_question, serving

MEMBERS = ("alpha", "beta", "gamma")


@pytest.fixture
async def hasty(tmp_path: Path) -> AsyncIterator[Served]:
    """A panel behind a server that holds no status line and is not silent for long."""
    async with serving(tmp_path, PANEL + SERVER + "hold_s = 0\nkeepalive_s = 0.01\n") as running:
        yield running


async def test_the_status_line_waits_for_the_first_candidate(served: Served) -> None:
    gates = [served.simulator.hold(name, f"I am {name}") for name in MEMBERS]
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(served.http.post(f"{served.url}/chat/completions", json=a_question(stream=True)))
        await served.simulator.until(in_flight=3)
        assert not asked.done()
        gates[0].set()
    async with asked.result() as streamed:
        assert streamed.status == 200
        assert streamed.headers["Content-Type"].startswith("text/event-stream")
        assert await streamed.content.readline() == b": keep-alive\n"
        assert await streamed.content.readline() == b"\n"
        for gate in gates:
            gate.set()
        lines = (await streamed.read()).decode().strip().split("\n\n")
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert chunks[-1]["ensemble"]["request_id"] == streamed.headers["x-ensemble-request-id"]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks).startswith("I am ")


async def test_after_the_hold_no_stream_is_silent_for_long(hasty: Served) -> None:
    gates = [hasty.simulator.hold(name) for name in MEMBERS]
    async with hasty.http.post(f"{hasty.url}/chat/completions", json=a_question(stream=True)) as streamed:
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(4):
                assert await streamed.content.readline() == b": keep-alive\n"
                assert await streamed.content.readline() == b"\n"
        for gate in gates:
            gate.set()
        assert (await streamed.read()).endswith(b"data: [DONE]\n\n")


async def test_an_error_before_the_first_candidate_is_a_plain_reply(served: Served) -> None:
    for name in MEMBERS:
        served.simulator.script(name, [status(400, message="no thanks")])
    code, said, headers = await served.post(a_question(stream=True))
    assert (code, said["error"]["code"], headers["x-should-retry"]) == (502, "no_candidate", "false")
    assert {one["member"] for one in said["error"]["candidates"]} == set(MEMBERS)
    code, said, _ = await served.post(a_question(stream=True, model="nobody"))
    assert (code, said["error"]["code"]) == (404, "model_not_found")


async def test_an_error_after_the_hold_is_an_event(hasty: Served) -> None:
    gates = [hasty.simulator.hold(name, "") for name in MEMBERS]
    body = a_question(stream=True, ensemble={"deadline_s": 0.3})
    async with hasty.http.post(f"{hasty.url}/chat/completions", json=body) as streamed:
        assert streamed.status == 200
        sent = (await streamed.read()).decode()
    events = [json.loads(line.removeprefix("data: ")) for line in sent.split("\n\n") if line.startswith("data: ")]
    assert [event["error"]["code"] for event in events] == ["deadline_exceeded"]
    assert {one["member"] for one in events[0]["error"]["candidates"]} == set(MEMBERS)
    assert not any(gate.is_set() for gate in gates)


@pytest.mark.parametrize(("header", "body"), [("100", {}), ("100", {"deadline_s": 30}), ("30000", {"deadline_s": 0.1})])
async def test_the_earlier_of_the_deadlines_in_header_and_body_holds(
    served: Served, header: str, body: dict[str, Any]
) -> None:
    for name in MEMBERS:
        served.simulator.hold(name)
    begin = asyncio.get_running_loop().time()
    got, said, _ = await served.post(a_question(ensemble=body), headers={"x-ensemble-deadline-ms": header})
    assert (got, said["error"]["code"]) == (504, "deadline_exceeded")
    assert asyncio.get_running_loop().time() - begin < 5


async def test_a_deadline_in_the_header_brings_what_there_is(served: Served) -> None:
    served.simulator.script("beta", [reply("in time")])
    for name in ("alpha", "gamma"):
        served.simulator.hold(name)
    code, said, _ = await served.post(headers={"x-ensemble-deadline-ms": "400"})
    assert (code, said["model"]) == (200, "beta")


@pytest.mark.parametrize("wrong", ["soon", "0", "-5", "1.5", "3600001", "9" * 30, "٣"])
async def test_a_wrong_deadline_is_refused_by_name(served: Served, wrong: str) -> None:
    code, said, _ = await served.post(headers={"x-ensemble-deadline-ms": wrong})
    assert (code, said["error"]["param"]) == (400, "x-ensemble-deadline-ms")
    assert list(served.simulator.served) == []
