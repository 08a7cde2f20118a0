"""What a provider's fault does to a request: on one member, on all of them, on the judge, over both wire formats.

On one member it costs that call and nothing else. On all of them the client is told each one's own failure. On the
judge the order of fallback decides, and nobody learns from it. The table of the faults is ``tests/faults.py``.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from ensemble.simulator import Served as Told
from ensemble.simulator import Step, fault, reply, status
from tests import faults
from tests.faults import FAULTS, PANEL, WIRES, Fault
from tests.served import SERVER, Served, a_question, serving

# One service per wire format serves them all: what one fault leaves behind would show in the tests after it.
pytestmark = pytest.mark.asyncio(loop_scope="module")
every_fault = pytest.mark.parametrize("one", FAULTS, ids=[one.name for one in FAULTS])
REPORT = {"include": ["candidates", "verdict"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=WIRES)
async def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens here, and nobody else gets the port
        parts = faults.parts(request.param, taken.getsockname()[1])
        async with serving(tmp_path_factory.mktemp("faults"), SERVER, parts=parts) as opened:
            yield opened


async def ask(served: Served, model: str, steps: dict[str, Step], **ours: Any) -> tuple[int, Any, Any, dict[str, Told]]:
    """Status, body, record, and what the simulator served of each model whose next request takes its step."""
    before = len(served.simulator.served)
    for name, step in steps.items():
        served.simulator.always(name, step)
    code, said, headers = await served.post(a_question(model=model, ensemble={**REPORT, **ours}))
    await served.simulator.until(in_flight=0)
    assert served.simulator.redirects_followed == 0
    record = await served.record(headers["x-ensemble-request-id"])
    assert (headers.get("x-ensemble-cost-usd") == "unknown") == (code == 200 and record["cost"]["unpriced"] > 0)
    return code, said, record, {told.model: told for told in served.simulator.served[before:]}


def good() -> dict[str, Step]:
    return {name: reply(f"I am {name}.") for name in PANEL}


def faulty(one: Fault, *names: str) -> dict[str, Step]:
    return dict.fromkeys(names, one.step) if one.step is not None else {}


def rows(record: dict[str, Any], purpose: str = "candidate") -> dict[str, Any]:
    """The lines of the ledger by model."""
    lines = [call for call in record["calls"] if call["purpose"] == purpose]
    by_model = {call["member"].partition("-")[0]: call for call in lines}
    assert len(by_model) == len(lines), "one line per call"
    return by_model


@every_fault
async def test_on_one_member_the_others_answer(served: Served, one: Fault) -> None:
    code, said, record, told = await ask(served, f"one-{one.manner}", {**good(), **faulty(one, "alpha")})
    assert code == 200, said
    came = {each["member"].partition("-")[0]: each["text"] for each in said["ensemble"]["candidates"]}
    others = {"beta": "I am beta.", "gamma": "I am gamma."}
    assert came == (others if one.failure else {"alpha": one.text, **others})
    winner = "gamma" if one.failure else "alpha"
    assert (said["model"].partition("-")[0], said["choices"][0]["message"]["content"]) == (winner, came[winner])
    faults.agrees(rows(record)["alpha"], one, told.get("alpha"))
    assert all(rows(record)[name]["nano_usd"] > 0 for name in others)


@every_fault
async def test_on_all_members_each_ones_failure_is_told(served: Served, one: Fault) -> None:
    code, said, record, told = await ask(served, f"all-{one.manner}", faulty(one, *PANEL))
    for name in PANEL:
        faults.agrees(rows(record)[name], one, told.get(name))
    if one.failure is None:
        assert (code, len(said["ensemble"]["candidates"])) == (200, 3)
        return
    assert (code, said["error"]["code"]) == (502, "no_candidate"), said
    failures = {each["member"]: (each["failure"], each["http_status"]) for each in said["error"]["candidates"]}
    assert failures == {f"{name}-{one.manner}": (one.failure, one.http_status) for name in PANEL}
    assert (record["status"], record["error"], record["candidates"]) == ("failed", "no_candidate", [])


@every_fault
async def test_on_the_judge_the_order_of_fallback_decides(served: Served, one: Fault) -> None:
    code, said, record, told = await ask(served, f"judge-{one.manner}", {**good(), **faulty(one, "critic")})
    assert code == 200, said
    assert {each["text"] for each in said["ensemble"]["candidates"]} == {f"I am {name}." for name in PANEL}
    asked = [call for call in record["calls"] if call["purpose"] == "judge"]
    assert asked
    served_ones = {each.request_id: each for each in served.simulator.served}
    for call in asked:
        faults.agrees(call, one, served_ones.get(call["provider_request_id"]))
    assert ("critic" in told) == (one.step is not None)
    (verdict,) = record["verdicts"]
    if one.failure is None:
        assert (said["ensemble"]["fallback"], verdict["outcome"], verdict["usable"]) == (None, "decided", True)
        return
    assert (said["model"], said["ensemble"]["fallback"]) == ("gamma-patient", "member_order")
    assert (verdict["outcome"], verdict["winners"], verdict["usable"]) == ("failed", [], False)
    labels = await asyncio.to_thread(lambda: [*served.service.store.labels(complete=False)])
    (label,) = [label for label in labels if label.request == record["id"]]
    assert (label.kind, label.usable, label.best) == ("fallback", False, frozenset())


async def test_each_member_has_its_own_fault(served: Served) -> None:
    steps = {"alpha": fault("silence"), "beta": fault("html"), "gamma": status(503)}
    code, said, record, _ = await ask(served, "all-hasty", steps)
    assert code == 502
    failures = {each["member"]: each["failure"] for each in said["error"]["candidates"]}
    assert failures == {"alpha-hasty": "timeout", "beta-hasty": "bad_reply", "gamma-hasty": "overloaded"}
    assert all(failure in record["error_detail"] for failure in failures.values())
    assert {name: row["nano_usd"] for name, row in rows(record).items()} == {"alpha": None, "beta": None, "gamma": 0}


@pytest.mark.parametrize("kind", ["silence", "trickle"])
async def test_silence_until_the_deadline_is_told_of_each(served: Served, kind: str) -> None:
    code, said, record, told = await ask(
        served, "all-patient", dict.fromkeys(PANEL, fault(kind, amount=0.01)), deadline_s=0.6
    )
    assert (code, said["error"]["code"]) == (504, "deadline_exceeded")
    assert {each["failure"] for each in said["error"]["candidates"]} <= {"timeout", "cancelled"}
    assert len(said["error"]["candidates"]) == 3
    assert [row["nano_usd"] for row in rows(record).values()] == [None] * 3
    assert all(each.cancelled for each in told.values()), "the connections are closed"
