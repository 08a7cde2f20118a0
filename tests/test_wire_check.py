"""What ``scripts/wire_check`` and ``scripts/bench/transport`` compare; what they find is told by running them."""

import asyncio
from multiprocessing import get_context

import pytest
from packaging.requirements import Requirement

from scripts import wire_check
from scripts.bench import transport
from tests.patience import PATIENCE_S


def test_both_sdks_are_compared_within_what_the_project_allows() -> None:
    found = {requirement.name: requirement.specifier for requirement in wire_check.allowed()}
    assert set(found) == set(wire_check.SDKS)
    assert all(
        "99" not in specifier and any(str(one).startswith(">=") for one in specifier) for specifier in found.values()
    )


def test_the_lowest_and_the_newest_are_those_allowed() -> None:
    told = "openai (4.1.0)\nAvailable versions: 4.1.0, 3.10.0, 3.9.1, 3.0.0, 2.9.0\n  INSTALLED: 3.9.1\n"
    found = wire_check.versions(Requirement("openai[aiohttp]>=3,<4"), told)
    assert [str(version) for version in found] == ["3.0.0", "3.9.1", "3.10.0"]


async def test_a_small_bench_has_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    context = get_context("spawn")
    told = context.Queue()
    server = context.Process(target=transport.upstream, args=(told,), daemon=True)
    server.start()
    try:
        await transport.measured(await asyncio.to_thread(told.get, timeout=PATIENCE_S), calls=4, rounds=1, at_once=2)
    finally:
        server.terminate()
        server.join()
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("| openai", "| anthropic"))]
    assert len(rows) == 4
