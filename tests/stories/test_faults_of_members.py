"""A provider's fault on one member costs its call and nothing else; on all of them, the client is told each one's own.

The table of the faults is ``tests/faults.py``.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ensemble.simulator import fault, reply, status
from tests import faults
from tests.faults import FAULTS, PANEL, WIRES, Fault, Wire
from tests.served import SERVER, Served, a_question, serving

ROUTER = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "longest"
"""
on_both_wires = pytest.mark.parametrize("wire", WIRES)
every_fault = pytest.mark.parametrize("one", FAULTS, ids=[one.name for one in FAULTS])


@asynccontextmanager
async def panel_with(folder: Path, wire: Wire, one: Fault, on: tuple[str, ...], port: int) -> AsyncIterator[Served]:
    """Serve a panel whose members ``on`` have the fault once; the others answer well."""
    async with serving(folder, ROUTER + SERVER, parts=faults.parts(wire, one, on, port)) as served:
        for name in PANEL:
            step = one.step if name in on else reply(f"I am {name}.")
            served.simulator.script(name, [] if step is None else [step])
        yield served


def by_member(record: dict[str, Any]) -> dict[str, Any]:
    rows = {call["member"]: call for call in record["calls"]}
    assert len(rows) == len(record["calls"]), "one line per call"
    return rows


def ids(served: Served) -> dict[str, Any]:
    return {one.model: one for one in served.simulator.served}


@on_both_wires
@every_fault
async def test_on_one_member_the_others_answer(tmp_path: Path, unused_tcp_port: int, wire: Wire, one: Fault) -> None:
    async with panel_with(tmp_path, wire, one, ("alpha",), unused_tcp_port) as served:
        code, said, headers = await served.post(a_question(ensemble={"include": ["candidates"]}))
        assert code == 200, said
        came = {each["member"]: each["text"] for each in said["ensemble"]["candidates"]}
        good = {"beta": "I am beta.", "gamma": "I am gamma."}
        assert came == (good if one.failure else {"alpha": one.text, **good})
        assert said["choices"][0]["message"]["content"] == came[said["model"]]
        assert said["model"] == ("gamma" if one.failure else "alpha")
        assert (headers["x-ensemble-cost-usd"] == "unknown") == (one.cost == "unknown")
        record = await served.record(said["id"])
        faults.agrees(by_member(record)["alpha"], one, ids(served).get("alpha"))
        assert record["cost"]["unpriced"] == (one.cost == "unknown")
        assert served.simulator.redirects_followed == 0
        if one.step is None:
            return
        # Nothing of it is left: the same connection answers the next request.
        code, said, _ = await served.post(a_question(ensemble={"include": ["candidates"]}))
        assert (code, len(said["ensemble"]["candidates"])) == (200, 3)


@on_both_wires
@pytest.mark.parametrize("one", [one for one in FAULTS if one.failure], ids=lambda one: one.name)
async def test_on_all_members_each_ones_failure_is_told(
    tmp_path: Path, unused_tcp_port: int, wire: Wire, one: Fault
) -> None:
    async with panel_with(tmp_path, wire, one, PANEL, unused_tcp_port) as served:
        code, said, headers = await served.post()
        assert (code, said["error"]["code"]) == (502, "no_candidate"), said
        told = {each["member"]: (each["failure"], each["http_status"]) for each in said["error"]["candidates"]}
        assert told == dict.fromkeys(PANEL, (one.failure, one.http_status))
        record = await served.record(headers["x-ensemble-request-id"])
        assert (record["status"], record["error"], record["candidates"]) == ("failed", "no_candidate", [])
        for name, call in by_member(record).items():
            faults.agrees(call, one, ids(served).get(name))


@on_both_wires
async def test_each_member_has_its_own_fault(tmp_path: Path, unused_tcp_port: int, wire: Wire) -> None:
    silence = next(one for one in FAULTS if one.name == "silence")
    async with panel_with(tmp_path, wire, silence, ("alpha",), unused_tcp_port) as served:
        assert (await served.post())[0] == 200
        for name, step in (("alpha", fault("silence")), ("beta", fault("html")), ("gamma", status(529))):
            served.simulator.script(name, [step])
        code, said, _ = await served.post()
        assert code == 502
        told = {each["member"]: each["failure"] for each in said["error"]["candidates"]}
        assert told == {"alpha": "timeout", "beta": "bad_reply", "gamma": "overloaded"}


@on_both_wires
@pytest.mark.parametrize("kind", ["silence", "trickle"])
async def test_silence_until_the_deadline_is_told_of_each(
    tmp_path: Path, unused_tcp_port: int, wire: Wire, kind: str
) -> None:
    patient = Fault(name=kind, step=fault(kind), failure="timeout", cost="unknown", http_status=None)
    async with panel_with(tmp_path, wire, patient, PANEL, unused_tcp_port) as served:
        code, said, headers = await served.post(a_question(ensemble={"deadline_s": 0.15}))
        assert (code, said["error"]["code"]) == (504, "deadline_exceeded")
        assert {each["member"] for each in said["error"]["candidates"]} == set(PANEL)
        await served.simulator.until(in_flight=0)
        record = await served.record(headers["x-ensemble-request-id"])
        for call in by_member(record).values():
            assert call["failure"] in ("timeout", "cancelled")
            assert call["nano_usd"] is None
