"""A judge that fails never makes a winner: the order of fallback decides, and nobody learns from it."""

import asyncio
from typing import Any

import pytest

from ensemble.simulator import fault, reply, status
from ensemble.simulator.script import Step
from tests.served import Served, a_question
from tests.stories.conftest import Serve

JUDGED = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "llm"
fallback = ["gamma", "beta"]
"""
REPORT = {"include": ["verdict"]}


async def ask(served: Served, **ours: Any) -> Any:
    for name in ("alpha", "beta", "gamma"):
        served.simulator.script(name, [reply(f"the answer of {name}")])
    code, said, _ = await served.post(a_question(ensemble={**REPORT, **ours}))
    assert code == 200, said
    return said


@pytest.mark.parametrize(
    "step",
    [
        status(401),
        status(400, message="no judging here"),
        reply("I like them both."),
        reply("", finish="stop"),
        fault("html"),
    ],
    ids=["unauthorized", "rejected", "no verdict", "empty", "nonsense"],
)
async def test_the_order_of_fallback_decides(serve: Serve, step: Step) -> None:
    served = await serve(JUDGED)
    served.simulator.script("critic", [step] * 8)
    said = await ask(served)
    assert (said["model"], said["ensemble"]["fallback"]) == ("gamma", "member_order")
    assert said["ensemble"]["verdict"]["outcome"] in ("failed", "abstained")
    assert said["ensemble"]["verdict"]["winners"] == []
    record = await served.record(said["id"])
    assert (record["verdicts"][0]["usable"], record["verdicts"][0]["fallback"]) == (False, "member_order")
    labels = await asyncio.to_thread(lambda: [*served.service.store.labels(complete=False)])
    assert [(label.kind, label.usable) for label in labels] == [("fallback", False)]
    assert {call["purpose"] for call in record["calls"]} == {"candidate", "judge"}


async def test_a_judge_killed_while_it_thinks(serve: Serve) -> None:
    """The connection breaks in the middle of a verdict that had already named its label."""
    served = await serve(JUDGED)
    served.simulator.script("critic", [fault("cut", text="[[A]] is better, because it")] * 8)
    said = await ask(served)
    assert (said["model"], said["ensemble"]["fallback"]) == ("gamma", "member_order")


async def test_a_judge_that_hangs_costs_the_client_no_answer(serve: Serve) -> None:
    served = await serve(JUDGED)
    served.simulator.hold("critic")
    said = await ask(served, deadline_s=0.3)
    assert (said["model"], said["ensemble"]["fallback"]) == ("gamma", "member_order")
    await served.simulator.until(in_flight=0)


async def test_a_judge_that_is_well_decides_and_is_paid_for(serve: Serve) -> None:
    served = await serve(JUDGED)
    served.simulator.script("critic", [reply("Both are fine.\n[[A]]"), reply("This one.\n[[A]]")])
    said = await ask(served)
    assert said["ensemble"]["fallback"] is None
    assert said["ensemble"]["verdict"]["outcome"] == "decided"
    assert said["ensemble"]["verdict"]["winners"][0]["member"] == said["model"]
    record = await served.record(said["id"])
    judged = [call for call in record["calls"] if call["purpose"] == "judge"]
    assert [call["member"] for call in judged] == ["critic", "critic"]
    assert float(said["ensemble"]["cost"]["judge_usd"]) == sum(call["nano_usd"] for call in judged) / 1e9 > 0
    assert record["verdicts"][0]["usable"] is True
