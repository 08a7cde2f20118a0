"""When a panel stops waiting, what becomes of those that are late, and what a client gets when some or all fail."""

import asyncio
from typing import Any

from ensemble.simulator import reply, status
from tests.served import Served, a_question
from tests.stories.conftest import Serve

RULES = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "{judge}"
{rules}
"""
REPORT = {"include": ["candidates", "verdict"]}


def rules(text: str, judge: str = "longest") -> str:
    return RULES.format(judge=judge, rules=text)


async def ask(served: Served, **changes: Any) -> Any:
    """The body of a good answer."""
    code, said, _ = await served.post(a_question(ensemble=REPORT, **changes))
    assert code == 200, said
    return said


def members(said: Any) -> set[str]:
    return {one["member"] for one in said["ensemble"]["candidates"]}


async def test_a_quorum_answers_without_the_slowest_and_its_connection_is_closed(serve: Serve) -> None:
    served = await serve(rules("quorum = 2"))
    gates = [served.simulator.hold("alpha", "short"), served.simulator.hold("beta", "somewhat longer")]
    served.simulator.hold("gamma")
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(ask(served))
        await served.simulator.until(in_flight=3)
        for gate in gates:
            gate.set()
    said = asked.result()
    assert (said["model"], members(said)) == ("beta", {"alpha", "beta"})
    await served.simulator.until(in_flight=0)
    assert [one.cancelled for one in served.simulator.served if one.model == "gamma"] == [True]
    record = await served.record(said["id"])
    assert {call["member"]: call["failure"] for call in record["calls"]}["gamma"] == "cancelled"


async def test_within_the_grace_time_a_straggler_still_counts(serve: Serve) -> None:
    served = await serve(rules("quorum = 1\ngrace_s = 30"))
    served.simulator.script("alpha", [reply("short")])
    gates = [
        served.simulator.hold("beta", "somewhat longer"),
        served.simulator.hold("gamma", "the longest of them all"),
    ]
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(ask(served))
        await served.simulator.until(n_finished=1)
        for gate in gates:
            gate.set()
    said = asked.result()
    assert (said["model"], members(said)) == ("gamma", {"alpha", "beta", "gamma"})


async def test_after_the_grace_time_the_answer_leaves(serve: Serve) -> None:
    served = await serve(rules("quorum = 1\ngrace_s = 0.02"))
    served.simulator.script("alpha", [reply("short")])
    served.simulator.hold("beta", "somewhat longer")
    served.simulator.hold("gamma")
    said = await ask(served)
    assert (said["model"], members(said)) == ("alpha", {"alpha"})


async def test_a_late_best_answer_leads_to_a_second_verdict_that_overturns_the_first(serve: Serve) -> None:
    served = await serve(rules("quorum = 2\nstraggler_s = 30"))
    served.simulator.script("alpha", [reply("short")])
    served.simulator.script("beta", [reply("somewhat longer")])
    gate = served.simulator.hold("gamma", "by far the longest of them all")
    said = await ask(served)
    assert (said["model"], said["ensemble"]["cost"]["pending"]) == ("beta", ["gamma"])
    gate.set()
    record = await served.record(said["id"])
    served_one, full = record["verdicts"]
    assert (served_one["phase"], served_one["overturned"], served_one["complete"]) == ("served", False, False)
    assert (full["phase"], full["overturned"], full["complete"]) == ("full", True, True)
    late = next(call for call in record["calls"] if call["member"] == "gamma")
    assert (late["after_answer"], late["failure"]) == (True, None)
    assert record["chosen"] == next(one["id"] for one in record["candidates"] if one["member"] == "beta")


async def test_a_late_worse_answer_confirms_the_first_verdict(serve: Serve) -> None:
    served = await serve(rules("quorum = 2\nstraggler_s = 30"))
    served.simulator.script("alpha", [reply("short")])
    served.simulator.script("beta", [reply("somewhat longer")])
    gate = served.simulator.hold("gamma", "tiny")
    said = await ask(served)
    gate.set()
    record = await served.record(said["id"])
    assert [(one["phase"], one["overturned"]) for one in record["verdicts"]] == [("served", False), ("full", False)]


async def test_a_straggler_ends_with_its_time(serve: Serve) -> None:
    served = await serve(rules("quorum = 2\nstraggler_s = 0.02"))
    served.simulator.hold("gamma")
    said = await ask(served)
    record = await served.record(said["id"])
    assert {call["member"]: call["failure"] for call in record["calls"]}["gamma"] == "cancelled"
    assert len(record["verdicts"]) == 1


async def test_no_straggler_goes_on_once_the_cost_cap_is_reached(serve: Serve) -> None:
    served = await serve(rules("quorum = 2\nstraggler_s = 30\nstraggler_usd = 0.000000001"))
    served.simulator.hold("gamma")
    said = await ask(served)
    assert said["ensemble"]["cost"]["pending"] == []
    await served.simulator.until(in_flight=0)


async def test_agreement_that_cannot_change_any_more_ends_the_wait(serve: Serve) -> None:
    comparable = "".join(
        f"\n[members.{name}2]\nprovider = 'sim'\nmodel = '{name}'\ncomparable = true\n" for name in "abc"
    )
    served = await serve(
        '\n[judges.agree]\nuse = "answer"\n'
        + comparable
        + '\n[routers.panel]\nuse = "parallel"\nmembers = ["a2", "b2", "c2"]\njudge = "agree"\n'
    )
    served.simulator.script("a", [reply("The answer is 42.")])
    served.simulator.script("b", [reply("I get: the answer is 42")])
    served.simulator.hold("c")
    said = await ask(served)
    assert members(said) == {"a2", "b2"}
    assert said["ensemble"]["verdict"]["outcome"] in ("decided", "tie")
    assert "42" in said["choices"][0]["message"]["content"]


async def test_some_fail_and_the_rest_answers(serve: Serve) -> None:
    served = await serve(rules(""))
    served.simulator.script("alpha", [status(400, message="bad idea")])
    served.simulator.script("beta", [reply("the only one")])
    served.simulator.script("gamma", [status(401)])
    said = await ask(served)
    assert (said["model"], members(said)) == ("beta", {"beta"})
    record = await served.record(said["id"])
    assert {call["member"]: call["failure"] for call in record["calls"]} == {
        "alpha": "rejected",
        "beta": None,
        "gamma": "unauthorized",
    }
    assert record["verdicts"][0]["usable"] is False


async def test_nobody_answers_and_each_ones_own_error_is_told(serve: Serve) -> None:
    served = await serve(rules(""))
    served.simulator.script("alpha", [status(400, message="bad idea")])
    served.simulator.script("beta", [status(401)])
    served.simulator.script("gamma", [status(404)])
    code, said, headers = await served.post()
    assert (code, said["error"]["type"], said["error"]["code"]) == (502, "server_error", "no_candidate")
    told = {one["member"]: one for one in said["error"]["candidates"]}
    assert {name: (one["failure"], one["http_status"]) for name, one in told.items()} == {
        "alpha": ("rejected", 400),
        "beta": ("unauthorized", 401),
        "gamma": ("rejected", 404),
    }
    assert "bad idea" in told["alpha"]["detail"]
    record = await served.record(headers["x-ensemble-request-id"])
    assert (record["status"], record["error"], len(record["calls"])) == ("failed", "no_candidate", 3)


async def test_an_answer_within_the_deadline_whenever_there_is_one(serve: Serve) -> None:
    served = await serve(rules("judge_reserve_s = 0.3"))
    served.simulator.script("alpha", [reply("in time")])
    served.simulator.hold("beta")
    served.simulator.hold("gamma")
    begin = asyncio.get_running_loop().time()
    code, said, _ = await served.post(a_question(ensemble={"deadline_s": 0.4}))
    assert (code, said["model"]) == (200, "alpha")
    assert asyncio.get_running_loop().time() - begin < 0.4


async def test_a_deadline_without_a_candidate_is_told_so(serve: Serve) -> None:
    served = await serve(rules(""))
    for name in ("alpha", "beta", "gamma"):
        served.simulator.hold(name)
    code, said, headers = await served.post(a_question(ensemble={"deadline_s": 0.05}))
    assert (code, said["error"]["code"]) == (504, "deadline_exceeded")
    await served.simulator.until(in_flight=0)
    record = await served.record(headers["x-ensemble-request-id"])
    assert {call["failure"] for call in record["calls"]} <= {"timeout", "cancelled"}
    assert len(record["calls"]) == 3
