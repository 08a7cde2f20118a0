"""A fault of the judge's model costs the client no answer: the order of fallback decides, and nobody learns from it.

The table of the faults is ``tests/faults.py``.
"""

import asyncio
from pathlib import Path

import pytest

from ensemble.simulator import reply
from tests import faults
from tests.faults import FAULTS, PANEL, WIRES, Fault, Wire
from tests.served import SERVER, a_question, serving

ROUTER = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "llm"
fallback = ["gamma", "beta"]
"""


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("one", FAULTS, ids=[one.name for one in FAULTS])
async def test_on_the_judge_the_order_of_fallback_decides(
    tmp_path: Path, unused_tcp_port: int, wire: Wire, one: Fault
) -> None:
    parts = faults.parts(wire, one, ["critic"], unused_tcp_port)
    async with serving(tmp_path, ROUTER + SERVER, parts=parts) as served:
        for name in PANEL:
            served.simulator.script(name, [reply(f"I am {name}.")])
        served.simulator.always("critic", one.step)
        code, said, headers = await served.post(a_question(ensemble={"include": ["candidates", "verdict"]}))
        assert code == 200, said
        assert {each["member"] for each in said["ensemble"]["candidates"]} == set(PANEL)
        assert (headers["x-ensemble-cost-usd"] == "unknown") == (one.cost == "unknown")

        record = await served.record(said["id"])
        asked = [call for call in record["calls"] if call["purpose"] == "judge"]
        by_id = {each.request_id: each for each in served.simulator.served if each.model == "critic"}
        assert asked
        assert len(by_id) == (len(asked) if one.step else 0)
        for call in asked:
            faults.agrees(call, one, by_id.get(call["provider_request_id"]))
        (verdict,) = record["verdicts"]
        labels = await asyncio.to_thread(lambda: [*served.service.store.labels(complete=False)])
        if one.failure is None:
            assert (said["ensemble"]["fallback"], verdict["outcome"], verdict["usable"]) == (None, "decided", True)
            return
        assert (said["model"], said["ensemble"]["fallback"]) == ("gamma", "member_order")
        assert (verdict["outcome"], verdict["winners"], verdict["usable"]) == ("failed", [], False)
        assert [(label.kind, label.usable, label.best) for label in labels] == [("fallback", False, frozenset())]
