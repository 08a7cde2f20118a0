"""What a client states as the most that its answer may cost or take, over HTTP, and what a restart knows of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ensemble.habits import LEAST
from ensemble.money import usd
from ensemble.simulator import reply
from tests.served import PANEL, SERVER, Served, a_question, serving

REFUSING = PANEL + 'infeasible = "refuse"\n' + SERVER


async def ask(served: Served, **metadata: str) -> tuple[int, Any, Mapping[str, str]]:
    for name in ("alpha", "beta", "gamma"):
        served.simulator.script(name, [reply("word " * 20)])
    return await served.post(a_question(metadata=metadata))


@pytest.mark.parametrize("members", [3, 2, 1])
async def test_a_restart_knows_from_the_log_who_fits(members: int, tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        _, said, _ = await ask(served)
        for _ in range(LEAST - 1):
            await ask(served)
        each = (await served.record(said["id"]))["cost"]["nano_usd"] // 3
    async with serving(tmp_path) as served:
        code, said, headers = await ask(served, max_cost_usd=usd(each * members))
        record = await served.record(headers["x-ensemble-request-id"])
    assert (code, len(record["calls"]), "ensemble" in said) == (200, members, False)
    assert record["cost"]["nano_usd"] == each * members
    assert ("narrowed" in record["plan"]["reason"]) is (members < 3)


async def test_a_warning_is_told_in_a_header_the_body_a_stream_and_the_log(served: Served) -> None:
    code, said, headers = await ask(served, max_latency_ms="9000")
    warning = headers["x-ensemble-warning"]
    assert (code, said["ensemble"]["warnings"]) == (200, [warning])
    assert warning.startswith("max_latency_ms 9000 cannot be kept for sure: the nearest member, alpha")
    record = await served.record(headers["x-ensemble-request-id"])
    assert warning in record["plan"]["reason"]
    async with served.client() as client:
        stream = await client.chat.completions.create(
            model="panel",
            messages=[{"role": "user", "content": "Why?"}],
            metadata={"max_latency_ms": "9000"},
            stream=True,
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[-1].model_extra is not None
    assert chunks[-1].model_extra["ensemble"]["warnings"] == [warning]


async def test_a_refusal_names_what_is_missing(tmp_path: Path) -> None:
    async with serving(tmp_path, REFUSING) as served:
        code, said, headers = await ask(served, max_cost_usd="0.00000001")
        record = await served.record(headers["x-ensemble-request-id"])
    error = said["error"]
    assert (code, error["code"], error["param"]) == (422, "infeasible", "metadata.max_cost_usd")
    assert record["calls"] == []


async def test_a_limit_that_is_none_is_refused_by_name(served: Served) -> None:
    code, said, _ = await ask(served, max_cost_usd="two cents")
    error = said["error"]
    assert (code, error["code"], error["param"]) == (400, "invalid_request", "metadata.max_cost_usd")
    assert 'such as "0.002"' in error["message"]
