"""Each fault is what it says, in both wire formats, whole and streamed; the ledger knows what the client was told."""

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest

from ensemble.simulator import Simulator, SimulatorSettings, fault
from ensemble.simulator.script import FAULTS

TEXT = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen."
WIRES = ("openai", "anthropic")
STREAMS = (False, True)
every = pytest.mark.parametrize("stream", STREAMS, ids=["whole", "streamed"])
both = pytest.mark.parametrize("wire", WIRES)


def post(http: aiohttp.ClientSession, sim: Simulator, wire: str, stream: bool) -> Any:
    body: dict[str, Any] = {"model": "small", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    if wire == "anthropic":
        body["max_tokens"] = 100
    elif stream:
        body["stream_options"] = {"include_usage": True}
    path = "messages" if wire == "anthropic" else "chat/completions"
    headers = {"anthropic-version": "2023-06-01"}
    return http.post(f"{sim.base_url}/{path}", json=body, headers=headers, allow_redirects=False)


async def play(http: aiohttp.ClientSession, sim: Simulator, wire: str, stream: bool) -> tuple[Any, bytes]:
    async with post(http, sim, wire, stream) as response:
        return response, await response.read()


def told(sim: Simulator) -> tuple[bool, bool]:
    served = sim.served[0]
    assert served.fault is not None
    return served.told_prompt_tokens is not None, served.told_completion_tokens is not None


@both
@every
@pytest.mark.parametrize("kind", ["html", "null", "wrong_shape", "broken_json"])
async def test_bodies_that_are_no_answer(
    sim: Simulator, http: aiohttp.ClientSession, wire: str, stream: bool, kind: str
) -> None:
    sim.script("small", [fault(kind, text=TEXT)])
    response, body = await play(http, sim, wire, stream)
    assert response.status == 200
    if kind == "html":
        assert response.content_type == "text/html"
        assert body.startswith(b"<!doctype html>")
    else:
        assert response.content_type == ("text/event-stream" if stream else "application/json")
        last = body.strip().rpartition(b"data: ")[2] if stream else body
        if kind == "broken_json":
            with pytest.raises(orjson.JSONDecodeError):
                orjson.loads(last)
        else:
            found = orjson.loads(last)
            assert found is None if kind == "null" else not isinstance(found.get("choices"), list)
    assert told(sim) == (False, False)


@both
@every
async def test_an_answer_without_content_tells_its_usage(
    sim: Simulator, http: aiohttp.ClientSession, wire: str, stream: bool
) -> None:
    sim.script("small", [fault("no_choices", text=TEXT)])
    _, body = await play(http, sim, wire, stream)
    assert b"One" not in body
    assert str(sim.served[0].completion_tokens).encode() in body
    assert told(sim) == (True, True)


@both
@every
async def test_an_oversized_body_is_as_large_as_asked(
    sim: Simulator, http: aiohttp.ClientSession, wire: str, stream: bool
) -> None:
    sim.script("small", [fault("oversized", amount=300_000)])
    _, body = await play(http, sim, wire, stream)
    assert 190_000 < len(body) < 400_000
    assert told(sim) == (False, False)


@both
@every
async def test_a_cut_ends_in_the_middle(sim: Simulator, http: aiohttp.ClientSession, wire: str, stream: bool) -> None:
    sim.script("small", [fault("cut", text=TEXT)])
    async with post(http, sim, wire, stream) as response:
        begun = await response.content.readany()
        with pytest.raises(aiohttp.ClientError):
            await response.content.read()
    assert begun
    await sim.until(n_finished=1)
    assert told(sim) == (wire == "anthropic" and stream, False)
    assert b'tokens":%d' % sim.served[0].completion_tokens not in begun
    assert not sim.served[0].cancelled


@both
async def test_a_cut_comes_after_the_tokens_asked_for(sim: Simulator, http: aiohttp.ClientSession, wire: str) -> None:
    async with Simulator(SimulatorSettings(chunk_tokens=1)) as sim:
        sim.script("small", [fault("stream_error", text=TEXT, after_tokens=3)])
        _, body = await play(http, sim, wire, stream=True)
        assert b"three" in body
        assert b"four" not in body
        assert b"error" in body.split(b"three")[1]


@both
async def test_an_error_under_200(sim: Simulator, http: aiohttp.ClientSession, wire: str) -> None:
    sim.script("small", [fault("stream_error")])
    response, body = await play(http, sim, wire, stream=False)
    assert response.status == 200
    assert "message" in orjson.loads(body)["error"]


@both
@every
async def test_silence_lasts_until_the_client_leaves(
    sim: Simulator, http: aiohttp.ClientSession, wire: str, stream: bool
) -> None:
    sim.script("small", [fault("silence")])
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(play(http, sim, wire, stream))
        await sim.until(n_requests=1)
        assert sim.served[0].status is None
        waiting.cancel()
    await sim.until(n_finished=1)
    assert sim.served[0].cancelled
    assert told(sim) == (False, False)


@both
@every
async def test_a_trickle_is_sound_but_slow(
    sim: Simulator, http: aiohttp.ClientSession, wire: str, stream: bool
) -> None:
    sim.script("small", [fault("trickle", text="ok", amount=0.000001)])
    _, body = await play(http, sim, wire, stream)
    assert b"ok" in body
    await sim.until(n_finished=1)
    assert told(sim) == (True, True)


@both
@every
async def test_a_redirect_points_where_arrivals_are_counted(
    sim: Simulator, http: aiohttp.ClientSession, wire: str, stream: bool
) -> None:
    sim.script("small", [fault("redirect"), fault("redirect", location="https://elsewhere.example/")])
    response, _ = await play(http, sim, wire, stream)
    assert response.status == 307
    assert sim.redirects_followed == 0
    async with http.post(f"{sim.anthropic_url}{response.headers['Location']}") as followed:
        assert followed.status == 200
    assert sim.redirects_followed == 1
    response, _ = await play(http, sim, wire, stream)
    assert response.headers["Location"] == "https://elsewhere.example/"


@both
@every
async def test_a_sound_answer_of_the_wrong_type(
    sim: Simulator, http: aiohttp.ClientSession, wire: str, stream: bool
) -> None:
    sim.script("small", [fault("wrong_type", text=TEXT)])
    response, body = await play(http, sim, wire, stream)
    assert response.content_type == "text/plain"
    assert b"fifteen" in body
    assert told(sim) == (False, False)


@both
@every
async def test_lone_surrogates_arrive_escaped(
    sim: Simulator, http: aiohttp.ClientSession, wire: str, stream: bool
) -> None:
    sim.script("small", [fault("surrogates", text="Hi")])
    _, body = await play(http, sim, wire, stream)
    assert rb"Hi\ud800" in body
    assert told(sim) == (True, True)


@both
@every
async def test_usage_can_be_missing(sim: Simulator, http: aiohttp.ClientSession, wire: str, stream: bool) -> None:
    sim.script("small", [fault("no_usage", text=TEXT)])
    _, body = await play(http, sim, wire, stream)
    assert b"tokens" not in body
    assert b"fifteen" in body
    assert told(sim) == (False, False)
    assert sim.served[0].completion_tokens > 0


async def test_faults_by_rate_come_at_their_rate_and_repeat(http: aiohttp.ClientSession) -> None:
    runs = []
    for _ in range(2):
        rates = {"null": 0.1, "500": 0.1, "429": 0.1}
        async with Simulator(SimulatorSettings(faults=rates, seed=5, fault_retry_after_s=3)) as sim:
            for _ in range(200):
                response, _ = await play(http, sim, "openai", stream=False)
                if response.status == 429:
                    assert response.headers["retry-after"] == "3"
            runs.append([served.fault for served in sim.served])
    assert runs[0] == runs[1]
    for kind in ("null", "500", "429"):
        assert 8 <= runs[0].count(kind) <= 35


def test_unknown_faults_are_refused() -> None:
    with pytest.raises(ValueError, match="no such kind"):
        fault("fire")
    with pytest.raises(ValueError, match="no such kind"):
        Simulator(SimulatorSettings(faults={"fire": 0.1}))
    assert fault("529").status == 529
    assert len(FAULTS) == len(set(FAULTS))
