"""Scripts, the ledger and the helpers that let a test wait without sleeping."""

import asyncio
import re
from typing import Any

import aiohttp
import pytest

from ensemble.simulator import Simulator, SimulatorSettings, reply, stall, status


def ask(model: str = "small", **more: object) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello"}], **more}


async def post(http: aiohttp.ClientSession, sim: Simulator, **more: object) -> tuple[int, Any]:
    async with http.post(f"{sim.base_url}/chat/completions", json=ask(**more)) as response:  # type: ignore[arg-type]
        return response.status, await response.json()


async def test_steps_are_taken_in_order_then_life_goes_on(sim: Simulator, http: aiohttp.ClientSession) -> None:
    sim.script("small", [status(529, retry_after=2), stall(0.01), reply("scripted")])
    assert (await post(http, sim))[0] == 529
    assert (await post(http, sim))[0] == 200
    assert (await post(http, sim))[1]["choices"][0]["message"]["content"] == "scripted"
    assert "Hello" in (await post(http, sim))[1]["choices"][0]["message"]["content"]
    assert [served.fault for served in sim.served] == ["529", None, None, None]
    assert sim.served[1].ended is not None
    assert sim.served[1].ended - sim.served[1].started >= 0.01


async def test_a_script_brings_a_new_model_into_the_fleet(sim: Simulator, http: aiohttp.ClientSession) -> None:
    assert (await post(http, sim, model="newcomer"))[0] == 404
    sim.script("newcomer", [reply("here")])
    assert (await post(http, sim, model="newcomer"))[0] == 200


async def test_a_standing_step_holds_until_it_is_taken_back(sim: Simulator, http: aiohttp.ClientSession) -> None:
    sim.always("small", status(500))
    sim.script("small", [reply("scripted")])
    assert [(await post(http, sim))[0] for _ in range(3)] == [200, 500, 500]
    sim.always("small", None)
    assert (await post(http, sim))[0] == 200


async def test_unknown_names_are_counted_together(sim: Simulator, http: aiohttp.ClientSession) -> None:
    for name in ("a", "b", "c"):
        assert (await post(http, sim, model=name))[0] == 404
    assert list(sim.served.totals) == ["(unknown)"]


async def test_a_held_request_waits_for_its_gate(sim: Simulator, http: aiohttp.ClientSession) -> None:
    gate = sim.hold("small", "at last")
    async with asyncio.TaskGroup() as group:
        held = group.create_task(post(http, sim))
        await sim.until(n_requests=1)
        assert (sim.in_flight("small"), sim.in_flight("large"), sim.in_flight()) == (1, 0, 1)
        assert (await post(http, sim, model="large"))[0] == 200
        assert not sim.served[0].finished
        gate.set()
    assert held.result()[1]["choices"][0]["message"]["content"] == "at last"
    await sim.until(n_finished=2, in_flight=0)
    assert sim.peak_in_flight == 2


async def test_a_client_that_leaves_is_noticed(sim: Simulator, http: aiohttp.ClientSession) -> None:
    sim.hold("small")
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(post(http, sim))
        await sim.until(n_requests=1)
        leaving.cancel()
    await sim.until(n_finished=1)
    served = sim.served[0]
    assert (served.cancelled, served.finished, served.told_completion_tokens) == (True, True, None)


async def test_a_client_that_leaves_a_stream_is_noticed(http: aiohttp.ClientSession) -> None:
    async with Simulator(SimulatorSettings(latency=0.02, chunk_tokens=1)) as sim:
        sim.script("small", [reply("word " * 2000)])
        async with http.post(f"{sim.base_url}/chat/completions", json=ask(stream=True)) as response:
            await response.content.readline()
        await sim.until(n_finished=1)
        assert (sim.served[0].cancelled, sim.served[0].told_completion_tokens) == (True, None)


async def test_closing_does_not_count_as_the_client_leaving(http: aiohttp.ClientSession) -> None:
    async with asyncio.TaskGroup() as group:
        async with Simulator() as sim:
            sim.hold("small")
            caller = group.create_task(_expect_disconnect(http, sim))
            await sim.until(n_requests=1)
        await caller
    assert (sim.served[0].cancelled, sim.served[0].finished) == (False, True)


async def _expect_disconnect(http: aiohttp.ClientSession, sim: Simulator) -> None:
    with pytest.raises(aiohttp.ClientError):
        await post(http, sim)


async def test_memory_is_bounded_and_totals_stay_exact(http: aiohttp.ClientSession) -> None:
    async with Simulator(SimulatorSettings(keep_served=2, keep_bodies=False)) as sim:
        for _ in range(5):
            await post(http, sim)
        assert len(sim.served) == len(list(sim.served)) == 2
        assert sim.served[-1].body == {}
        total = sim.served.totals["small"]
        assert (total.requests, total.ok) == (5, 5)
        assert total.told_completion_tokens == 5 * sim.served[0].completion_tokens > 0


async def test_bodies_and_headers_are_kept_without_the_key(sim: Simulator, http: aiohttp.ClientSession) -> None:
    headers = {"Authorization": "Bearer secret-key", "X-Extra": "yes"}
    async with http.post(f"{sim.base_url}/chat/completions", json=ask(seed=7), headers=headers) as response:
        await response.read()
    assert sim.served[0].body["seed"] == 7
    assert sim.served[0].headers["x-extra"] == "yes"
    assert "secret-key" not in repr(sim.served[0])


async def test_waiting_in_vain_ends(sim: Simulator) -> None:
    with pytest.raises(TimeoutError):
        await sim.until(n_requests=1, timeout_s=0.01)


async def test_a_simulator_that_is_not_open_has_no_address() -> None:
    with pytest.raises(RuntimeError, match="not open"):
        _ = Simulator().base_url


async def test_two_simulators_cannot_share_a_port(sim: Simulator) -> None:
    with pytest.raises(OSError, match="in use"):
        async with Simulator(SimulatorSettings(port=sim.port)):
            pass


async def test_what_clients_were_told_adds_up_under_faults_and_leaving(http: aiohttp.ClientSession) -> None:
    rates = dict.fromkeys(("html", "null", "no_choices", "cut", "stream_error", "500", "429", "surrogates"), 0.04)
    async with Simulator(SimulatorSettings(faults=rates, seed=3)) as sim:
        read = 0
        for at in range(200):
            stream = at % 2 == 0
            if at % 10 == 0:
                sim.hold("small")
                async with asyncio.TaskGroup() as group:
                    leaving = group.create_task(post(http, sim))
                    await sim.until(n_requests=at + 1)
                    leaving.cancel()
                await sim.until(n_finished=at + 1)
                continue
            read += await _told(http, sim, stream)
        await sim.until(in_flight=0)
        told = sum(served.told_completion_tokens or 0 for served in sim.served)
        assert read == told == sim.served.totals["small"].told_completion_tokens
        assert told < sim.served.totals["small"].completion_tokens
        assert sum(served.cancelled for served in sim.served) == 20
        assert len({served.fault for served in sim.served}) > 6


async def _told(http: aiohttp.ClientSession, sim: Simulator, stream: bool) -> int:
    """Completion tokens in what the client could read."""
    body = ask(stream=stream, stream_options={"include_usage": True})
    raw = b""
    async with http.post(f"{sim.base_url}/chat/completions", json=body) as response:
        try:
            while chunk := await response.content.readany():
                raw += chunk
        except aiohttp.ClientError:
            pass
    found = re.findall(rb'"completion_tokens":(\d+)', raw)
    return int(found[-1]) if found else 0
