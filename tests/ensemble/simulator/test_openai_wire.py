"""The OpenAI wire format as raw bytes and as OpenAI's own SDK sees it."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import orjson
import pytest
from multidict import CIMultiDict
from openai import AsyncOpenAI, DefaultAioHttpClient

from ensemble.simulator import Simulator, SimulatorSettings, ToolUse, reply
from ensemble.simulator import tokens as tokenizer


@pytest.fixture
async def client(sim: Simulator) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=sim.base_url, api_key="any", max_retries=0, http_client=DefaultAioHttpClient()
    ) as opened:
        yield opened


def ask(text: str = "Hello there", **more: object) -> dict[str, Any]:
    return {"model": "small", "messages": [{"role": "user", "content": text}], **more}


def events(raw: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in raw.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [orjson.loads(line) for line in lines[:-1]]


async def test_answers_through_the_sdk_and_the_ledger_agrees(sim: Simulator, client: AsyncOpenAI) -> None:
    sim.script("small", [reply("Forty-two.")])
    answer = await client.chat.completions.create(**ask("What is six times seven?"))
    assert answer.choices[0].message.content == "Forty-two."
    assert answer.choices[0].finish_reason == "stop"
    assert answer._request_id == sim.served[0].request_id
    assert answer.usage is not None
    served = sim.served[0]
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (served.prompt_tokens, 4)
    assert served.told_completion_tokens == served.completion_tokens == tokenizer.count("Forty-two.")
    assert (served.model, served.status, served.finished, served.cancelled) == ("small", 200, True, False)


async def test_streams_the_same_text_with_usage_last(sim: Simulator, client: AsyncOpenAI) -> None:
    said = "One two three four five six seven eight nine ten eleven twelve.\n\nAnd  more: žluťoučký kůň 🐎."
    sim.script("small", [reply(said)])
    stream = await client.chat.completions.create(**ask(stream=True, stream_options={"include_usage": True}))
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == said
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == tokenizer.count(said)
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]


async def test_a_stream_tells_usage_only_when_asked(sim: Simulator, http: aiohttp.ClientSession) -> None:
    sim.script("small", [reply("Hi.")])
    async with http.post(f"{sim.base_url}/chat/completions", json=ask(stream=True)) as response:
        raw = await response.text()
        assert response.headers["Content-Type"].startswith("text/event-stream")
    assert all("usage" not in event for event in events(raw))
    assert sim.served[0].told_completion_tokens is None
    assert sim.served[0].completion_tokens == 2


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_a_token_limit_cuts_the_answer(sim: Simulator, client: AsyncOpenAI, name: str) -> None:
    sim.script("small", [reply("one two three four five")])
    answer = await client.chat.completions.create(**(ask() | {name: 3}))
    assert answer.choices[0].message.content == "one two three"
    assert answer.choices[0].finish_reason == "length"
    assert sim.served[0].completion_tokens == 3


async def test_thoughts_count_against_the_limit_first(sim: Simulator, client: AsyncOpenAI) -> None:
    sim.script("small", [reply("one two three", reasoning="hm hm hm hm"), reply("yes", reasoning="hm hm")])
    cut = await client.chat.completions.create(**ask(max_completion_tokens=4))
    assert (cut.choices[0].message.content, cut.choices[0].finish_reason) == ("", "length")
    whole = await client.chat.completions.create(**ask())
    assert whole.usage is not None
    assert whole.usage.completion_tokens_details is not None
    assert whole.usage.completion_tokens_details.reasoning_tokens == 2
    assert whole.usage.completion_tokens == 3


async def test_stop_strings_end_the_answer(sim: Simulator, client: AsyncOpenAI) -> None:
    sim.script("small", [reply("a; b; c")])
    answer = await client.chat.completions.create(**ask(stop=["c", ";"]))
    assert answer.choices[0].message.content == "a"


async def test_tool_calls_whole_and_streamed(sim: Simulator, client: AsyncOpenAI) -> None:
    use = ToolUse(id="call_1", name="weather", arguments='{"city": "Brno", "days": 3}')
    step = reply(tool_calls=(use,), finish="tool_calls")
    sim.script("small", [step, step])
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": schema}}]
    answer = await client.chat.completions.create(**ask(tools=tools))
    call = answer.choices[0].message.tool_calls[0]
    assert (call.id, call.function.name, call.function.arguments) == (use.id, use.name, use.arguments)
    assert answer.choices[0].message.content is None
    assert answer.choices[0].finish_reason == "tool_calls"
    pieces = []
    async for chunk in await client.chat.completions.create(**ask(tools=tools, stream=True)):
        pieces += [each for choice in chunk.choices for each in choice.delta.tool_calls or ()]
    assert pieces[0].id == "call_1"
    assert "".join(piece.function.arguments for piece in pieces) == use.arguments
    assert sim.served[0].completion_tokens == sim.served[1].completion_tokens > 0


async def test_refusals(sim: Simulator, client: AsyncOpenAI) -> None:
    refused = reply(refusal="I cannot help.", finish="refusal")
    sim.script("small", [refused, refused, reply(finish="content_filter")])
    answer = await client.chat.completions.create(**ask())
    assert (answer.choices[0].message.refusal, answer.choices[0].message.content) == ("I cannot help.", None)
    chunks = [chunk async for chunk in await client.chat.completions.create(**ask(stream=True))]
    assert "".join(chunk.choices[0].delta.refusal or "" for chunk in chunks) == "I cannot help."
    filtered = await client.chat.completions.create(**ask())
    assert filtered.choices[0].finish_reason == "content_filter"


async def test_logprobs_carry_the_odds_of_a_verdict(sim: Simulator, client: AsyncOpenAI) -> None:
    step = reply("A it is. [[A]]", odds={"A": 0.8, "B": 0.2})
    sim.script("small", [step, step])
    answer = await client.chat.completions.create(**ask(logprobs=True, top_logprobs=5))
    entries = answer.choices[0].logprobs.content
    assert "".join(entry.token for entry in entries) == "A it is. [[A]]"
    label = entries[-3]
    assert {top.token: round(2.718281828**top.logprob, 3) for top in label.top_logprobs} == {"A": 0.8, "B": 0.2}
    assert all(len(entry.top_logprobs) == 5 for entry in entries if entry is not label)
    stream = await client.chat.completions.create(**ask(logprobs=True, stream=True))
    streamed = [e.token async for chunk in stream for c in chunk.choices if c.logprobs for e in c.logprobs.content]
    assert "".join(streamed) == "A it is. [[A]]"


async def test_lists_its_models(sim: Simulator, client: AsyncOpenAI) -> None:
    assert {"small", "balanced", "large"} <= {model.id async for model in client.models.list()}


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "parse"),
        (b"[1]", 400, "JSON object"),
        (b'{"messages": []}', 400, "model parameter"),
        (b'{"model": "small"}', 400, "messages"),
        (b'{"model": "small", "messages": [{"role": "king"}]}', 400, "role"),
        (b'{"model": "small", "messages": [7]}', 400, "role"),
        (orjson.dumps(ask(max_tokens=0)), 400, "max_tokens"),
        (orjson.dumps(ask(temperature="hot")), 400, "temperature"),
        (orjson.dumps(ask(n=2)), 400, "'n'"),
        (orjson.dumps(ask(top_logprobs=2)), 400, "logprobs"),
        (orjson.dumps({**ask(), "model": "nobody"}), 404, "nobody"),
    ],
)
async def test_refuses_in_openais_shape(
    sim: Simulator, http: aiohttp.ClientSession, body: bytes, status: int, says: str
) -> None:
    async with http.post(f"{sim.base_url}/chat/completions", data=body) as response:
        error = (await response.json())["error"]
    assert response.status == status == sim.served[0].status
    assert says in error["message"]
    assert set(error) == {"message", "type", "param", "code"}
    assert sim.served[0].prompt_tokens == sim.served[0].completion_tokens == 0


async def test_only_the_right_key_is_let_in(http: aiohttp.ClientSession) -> None:
    async with Simulator(SimulatorSettings(api_key="sesame")) as sim:
        with_key = AsyncOpenAI(base_url=sim.base_url, api_key="sesame", max_retries=0)
        without = AsyncOpenAI(base_url=sim.base_url, api_key="wrong", max_retries=0)
        async with with_key, without:
            await with_key.chat.completions.create(**ask())
            with pytest.raises(openai.AuthenticationError):
                await without.chat.completions.create(**ask())
            with pytest.raises(openai.AuthenticationError):
                await without.models.list()
        assert "sesame" not in repr(list(sim.served))
        assert "sesame" not in repr(sim.settings)


async def test_requests_above_the_rate_are_turned_away_and_told_when_to_return(http: aiohttp.ClientSession) -> None:
    async with Simulator(SimulatorSettings(rpm=2, window_s=30)) as sim:
        statuses, headers = [], CIMultiDict[str]()
        for _ in range(3):
            async with http.post(f"{sim.base_url}/chat/completions", json=ask()) as response:
                statuses.append(response.status)
                headers = response.headers.copy()
        assert statuses == [200, 200, 429]
        assert 29 <= int(headers["retry-after"]) <= 30
        assert int(headers["retry-after-ms"]) <= 30_000
        assert sim.served[2].completion_tokens == 0


async def test_tokens_above_the_rate_are_turned_away(http: aiohttp.ClientSession) -> None:
    async with Simulator(SimulatorSettings(tpm=30, window_s=30)) as sim:
        async with http.post(f"{sim.base_url}/chat/completions", json=ask("word " * 40)) as response:
            assert response.status == 200, "a request above the whole limit is let in when nothing else is"
        async with http.post(f"{sim.base_url}/chat/completions", json=ask()) as response:
            assert response.status == 429
