"""A client that hangs up: by configuration everything is cancelled at once, or finished and logged."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.served import Served, a_question
from tests.stories.conftest import Serve

PANEL = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "longest"
on_disconnect = "{policy}"
"""
streamed = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


async def hang_up(served: Served, stream: bool) -> float:
    """Ask, wait until all three members are at work, close the connection; returns the loop's time of that."""
    async with aiohttp.ClientSession() as http:
        asked = http.post(f"{served.url}/chat/completions", json=a_question(stream=stream))
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(_read(asked))
            await served.simulator.until(in_flight=3)
            waiting.cancel()
        return asyncio.get_running_loop().time()


async def _read(asked: Any) -> bytes:
    async with asked as reply:
        return bytes(await reply.read())


async def last_record(served: Served) -> dict[str, Any]:
    await served.service.idle()
    rows = await asyncio.to_thread(_ids, served)
    return await served.record(rows[-1])


def _ids(served: Served) -> list[str]:
    from sqlite_utils import Database

    db = Database(served.service.settings.store.path)
    try:
        return [row["id"] for row in db.query("SELECT id FROM requests ORDER BY id")]
    finally:
        db.close()


@streamed
async def test_cancel_closes_every_connection_within_50_ms(serve: Serve, stream: bool) -> None:
    served = await serve(PANEL.format(policy="cancel"))
    took = []
    for _ in range(3):  # the best of three: the machine may be busy with something else
        for name in ("alpha", "beta", "gamma"):
            served.simulator.hold(name)
        gone = await hang_up(served, stream)
        await served.simulator.until(in_flight=0)
        took.append(max(one.ended or gone for one in list(served.simulator.served)[-3:]) - gone)
    assert min(took) < 0.05
    assert all(one.cancelled for one in served.simulator.served)
    record = await last_record(served)
    assert (record["status"], record["verdicts"]) == ("cancelled", [])
    assert [call["failure"] for call in record["calls"]] == ["cancelled"] * 3


@streamed
async def test_finish_goes_on_to_a_verdict_in_the_log(serve: Serve, stream: bool) -> None:
    served = await serve(PANEL.format(policy="finish"))
    gates = [served.simulator.hold(name, f"I am {name}") for name in ("alpha", "beta", "gamma")]
    await hang_up(served, stream)
    # A round trip shows that the server has dealt with the hang-up, and that it serves others.
    assert (await served.get("/healthz"))[0] == 200
    assert served.simulator.in_flight() == 3
    for gate in gates:
        gate.set()
    record = await last_record(served)
    assert (record["status"], len(record["candidates"]), len(record["verdicts"])) == ("answered", 3, 1)
    assert not any(one.cancelled for one in served.simulator.served)
