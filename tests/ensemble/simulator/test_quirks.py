"""Each server that calls itself OpenAI-compatible has its path and its ways; the official SDK gets along with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import openai
import orjson
import pytest
from openai import AsyncOpenAI, DefaultAioHttpClient

from ensemble.simulator import Simulator, SimulatorSettings, ToolUse, reply
from ensemble.simulator.quirks import SERVERS, Quirks

BY_NAME = {quirks.name: quirks for quirks in SERVERS}
each_server = pytest.mark.parametrize("quirks", SERVERS, ids=[quirks.name for quirks in SERVERS])


def ask(text: str = "Hello", **more: object) -> dict[str, Any]:
    return {"model": "small", "messages": [{"role": "user", "content": text}], **more}


@asynccontextmanager
async def sdk(sim: Simulator, quirks: Quirks) -> AsyncIterator[AsyncOpenAI]:
    url = f"{sim.anthropic_url}{quirks.path}"
    async with AsyncOpenAI(base_url=url, api_key="any", max_retries=0, http_client=DefaultAioHttpClient()) as client:
        yield client


@each_server
async def test_the_sdk_is_answered_whole_and_streamed(sim: Simulator, quirks: Quirks) -> None:
    async with sdk(sim, quirks) as client:
        sim.script("small", [reply("Hello to you, too."), reply("Hello to you, too.")])
        answer = await client.chat.completions.create(**ask())
        assert answer.choices[0].message.content == "Hello to you, too."
        stream = await client.chat.completions.create(**ask(stream=True, stream_options={"include_usage": True}))
        chunks = [chunk async for chunk in stream]
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello to you, too."
        whole, streamed = sim.served
        assert (answer.usage is not None) == (whole.told_completion_tokens is not None) == quirks.usage
        has_usage = any(chunk.usage is not None for chunk in chunks)
        assert has_usage == (streamed.told_completion_tokens is not None) == (quirks.stream_usage != "never")
        names = [model.id async for model in client.models.list()]
        assert f"{quirks.model_prefix}small" in names
        await client.chat.completions.create(**(ask() | {"model": f"{quirks.model_prefix}small"}))


@each_server
async def test_limits_of_the_answer(sim: Simulator, quirks: Quirks) -> None:
    async with sdk(sim, quirks) as client:
        for name in ("max_tokens", "max_completion_tokens"):
            sim.script("small", [reply("one two three four")])
            if name in quirks.refused:
                with pytest.raises(openai.BadRequestError, match="max_completion_tokens"):
                    await client.chat.completions.create(**(ask() | {name: 2}))
                continue
            answer = await client.chat.completions.create(**(ask() | {name: 2}))
            obeyed = name in quirks.max_tokens
            assert (answer.choices[0].finish_reason == "length") == obeyed


@each_server
async def test_logprobs_and_thoughts(sim: Simulator, quirks: Quirks) -> None:
    async with sdk(sim, quirks) as client:
        sim.script("small", [reply("Yes.", reasoning="Hm, hm."), reply("Yes.", reasoning="Hm, hm.")])
        answer = await client.chat.completions.create(**ask(logprobs=True))
        assert (answer.choices[0].logprobs is not None) == quirks.logprobs
        extra = answer.choices[0].message.model_extra or {}
        told = {name: extra.get(name) for name in ("reasoning", "reasoning_content") if extra.get(name)}
        assert told == ({} if quirks.reasoning is None else {quirks.reasoning: "Hm, hm."})
        chunks = [c async for c in await client.chat.completions.create(**ask(stream=True))]
        assert b"Hm" in orjson.dumps([c.model_dump() for c in chunks]) or quirks.reasoning is None


async def test_openrouter_tells_the_cost_and_sends_comments(sim: Simulator, http: aiohttp.ClientSession) -> None:
    url = f"{sim.anthropic_url}/openrouter/api/v1/chat/completions"
    sim.script("small", [reply("one two")] * 2)
    async with http.post(url, json=ask()) as response:
        usage = (await response.json())["usage"]
    assert usage["cost"] == pytest.approx((usage["prompt_tokens"] * 0.15 + 2 * 0.60) / 1e6)
    async with http.post(url, json=ask(stream=True)) as response:
        raw = await response.text()
    assert raw.startswith(": OPENROUTER PROCESSING\n\n")
    assert '"cost"' in raw


async def test_gemini_leaves_thoughts_out_of_completion_tokens(sim: Simulator, http: aiohttp.ClientSession) -> None:
    url = f"{sim.anthropic_url}/gemini/v1beta/openai/chat/completions"
    sim.script("small", [reply("Yes.", reasoning="hm hm hm")])
    async with http.post(url, json=ask()) as response:
        usage = (await response.json())["usage"]
    assert usage["completion_tokens"] == 2
    assert usage["total_tokens"] == usage["prompt_tokens"] + 5
    async with http.post(url, json=ask(stream=True)) as response:
        events = [line for line in (await response.text()).split("\n\n") if line.startswith("data: {")]
    assert all('"usage":{' in event for event in events)
    async with http.post(url, json={"model": "small"}) as response:
        assert (await response.json())[0]["error"]["code"] == 400


async def test_azure_has_deployments_filters_and_its_own_header(http: aiohttp.ClientSession) -> None:
    async with Simulator(SimulatorSettings(api_key="sesame")) as sim:
        base = f"{sim.anthropic_url}/azure/openai"
        old = f"{base}/deployments/small/chat/completions"
        body = {"messages": ask()["messages"]}
        async with http.post(f"{old}?api-version=2024-10-21", json=body, headers={"api-key": "sesame"}) as response:
            answer = await response.json()
        assert response.status == 200
        assert answer["choices"][0]["content_filter_results"]["hate"]["filtered"] is False
        async with http.post(old, json=body, headers={"api-key": "sesame"}) as response:
            assert response.status == 404
        async with http.post(old, json=body, headers={"api-key": "wrong"}) as response:
            assert response.status == 401
        async with http.post(
            f"{base}/v1/chat/completions", json=ask(stream=True), headers={"api-key": "sesame"}
        ) as response:
            first = (await response.text()).split("\n\n")[0]
        assert orjson.loads(first.removeprefix("data: "))["choices"] == []
    async with (
        Simulator() as sim,
        openai.AsyncAzureOpenAI(
            azure_endpoint=f"{sim.anthropic_url}/azure", api_key="any", api_version="2024-10-21", max_retries=0
        ) as client,
    ):
        assert (await client.chat.completions.create(**ask())).choices


async def test_other_finish_reasons(sim: Simulator) -> None:
    use = ToolUse(id="c", name="f", arguments="{}")
    for name, wanted in (("vllm", "abort"), ("ollama", "stop"), ("openai", "content_filter")):
        async with sdk(sim, BY_NAME[name]) as client:
            sim.script("small", [reply("x", finish="content_filter"), reply("x", finish="eos")])
            assert (await client.chat.completions.create(**ask())).choices[0].finish_reason == wanted
            assert (await client.chat.completions.create(**ask())).choices[0].finish_reason == "eos"
    async with sdk(sim, BY_NAME["ollama"]) as client:
        sim.script("small", [reply(tool_calls=(use,), finish="tool_calls")])
        choice = (await client.chat.completions.create(**ask())).choices[0]
        assert (choice.finish_reason, len(choice.message.tool_calls)) == ("stop", 1)
