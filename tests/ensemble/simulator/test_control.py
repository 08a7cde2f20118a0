"""Steering a running simulator over HTTP, from this machine only."""

from typing import Any

import aiohttp
import pytest

from ensemble.simulator import Simulator
from ensemble.simulator.control import _is_near

ASK = {"model": "large", "messages": [{"role": "user", "content": "What is 17 + 25?"}], "temperature": 0}


async def steer(http: aiohttp.ClientSession, sim: Simulator, **body: object) -> tuple[int, Any]:
    async with http.post(f"{sim.anthropic_url}/sim/control", json=body) as response:
        return response.status, await response.json()


async def ask(http: aiohttp.ClientSession, sim: Simulator) -> tuple[int, Any]:
    async with http.post(f"{sim.base_url}/chat/completions", json=ASK) as response:
        return response.status, await response.json()


async def test_a_model_is_made_worse_and_replaced(sim: Simulator, http: aiohttp.ClientSession) -> None:
    assert "42" in (await ask(http, sim))[1]["choices"][0]["message"]["content"]
    assert (await steer(http, sim, action="degrade", model="large", kind="arithmetic", by=5))[0] == 200
    assert "42" not in (await ask(http, sim))[1]["choices"][0]["message"]["content"]
    assert (await steer(http, sim, action="replace", model="large", like="judge"))[0] == 200
    body = (await ask(http, sim))[1]
    assert "simulated" in body["choices"][0]["message"]["content"]
    assert body["system_fingerprint"] == "fp_simulated_1"


async def test_steps_are_scripted(sim: Simulator, http: aiohttp.ClientSession) -> None:
    steps = [{"status": 503, "retry_after": 1}, {"reply": "told"}, {"stall": 0.001}, {"fault": "null"}]
    assert (await steer(http, sim, action="script", model="large", steps=steps))[0] == 200
    answers = [await ask(http, sim) for _ in range(4)]
    assert [code for code, _ in answers] == [503, 200, 200, 200]
    assert answers[1][1]["choices"][0]["message"]["content"] == "told"
    assert answers[3][1] is None


async def test_the_ledger_is_read_without_bodies(sim: Simulator, http: aiohttp.ClientSession) -> None:
    await ask(http, sim)
    async with http.get(f"{sim.anthropic_url}/sim/served?records=1") as response:
        body = await response.json()
    assert body["totals"]["large"]["told_completion_tokens"] == sim.served[0].completion_tokens > 0
    assert body["records"][0]["model"] == "large"
    assert "17 + 25" not in str(body)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"action": "sing"}, "no such action"),
        ({"action": "degrade", "model": "judge"}, "solves no tasks"),
        ({"action": "mislead", "model": "large", "noise": 1}, "is no judge"),
        ({"action": "replace", "model": "large", "like": "nobody"}, "nobody"),
        ({"action": "script", "model": "large", "steps": [{"fault": "fire"}]}, "no such kind"),
    ],
)
async def test_mistakes_are_told(sim: Simulator, http: aiohttp.ClientSession, body: dict[str, Any], says: str) -> None:
    code, answer = await steer(http, sim, **body)
    assert code >= 400
    assert says in answer["error"]


async def test_a_form_from_a_web_page_is_refused(sim: Simulator, http: aiohttp.ClientSession) -> None:
    for data, kind in ((b'{"action": "replace"}', "text/plain"), (b"{", "application/json")):
        async with http.post(f"{sim.anthropic_url}/sim/control", data=data, headers={"Content-Type": kind}) as response:
            assert response.status in (400, 415)


def test_only_this_machine_is_near() -> None:
    assert _is_near("127.0.0.1")
    assert _is_near("::1")
    assert not _is_near("192.0.2.7")
    assert not _is_near(None)
    assert not _is_near("unix")
