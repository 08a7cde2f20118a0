"""The Anthropic wire format as raw bytes and as Anthropic's own SDK sees it."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anthropic
import orjson
import pytest
from anthropic import AsyncAnthropic, DefaultAioHttpClient

from ensemble.simulator import Simulator, SimulatorSettings, ToolUse, fault, reply, status
from ensemble.simulator import tokens as tokenizer

HEADERS = {"anthropic-version": "2026-10-21", "Authorization": "Bearer any"}


@pytest.fixture
async def client(sim: Simulator) -> AsyncIterator[Any]:
    async with AsyncAnthropic(
        base_url=sim.anthropic_url, api_key="any", max_retries=0, http_client=DefaultAioHttpClient()
    ) as opened:
        yield opened


def ask(text: str = "Hello there", **more: object) -> dict[str, Any]:
    base = {"model": "birch-small", "max_tokens": 1000, "messages": [{"role": "user", "content": text}]}
    return base | more


async def test_answers_through_the_sdk_and_the_ledger_agrees(sim: Simulator, client: Any) -> None:
    sim.script("birch-small", [reply("Forty-two.", cached_tokens=3, cache_write_tokens=2)])
    message = await client.messages.create(**ask("What is six times seven?", system="Be brief."))
    assert message.content[0].text == "Forty-two."
    assert message.stop_reason == "end_turn"
    assert message._request_id == sim.served[0].request_id
    served = sim.served[0]
    usage = message.usage
    assert usage.input_tokens + 5 == served.prompt_tokens == served.told_prompt_tokens
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (3, 2)
    assert usage.output_tokens == served.completion_tokens == tokenizer.count("Forty-two.")


async def test_streams_thoughts_text_and_tools_with_usage(sim: Simulator, client: Any) -> None:
    use = ToolUse(id="toolu_1", name="weather", arguments='{"city":"Brno","days":3}')
    said = "Let me look that up for you, it takes but a moment of your time."
    step = reply(said, tool_calls=(use,), finish="tool_calls", reasoning="The user asks about the weather in Brno now.")
    sim.script("birch-small", [step, step])
    async with client.messages.stream(**ask()) as stream:
        message = await stream.get_final_message()
    whole = await client.messages.create(**ask())
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
    assert message.content[0].thinking == "The user asks about the weather in Brno now."
    assert message.content[1].text == said
    assert message.content[2].input == {"city": "Brno", "days": 3}
    assert (message.stop_reason, message.content[0].signature) == ("tool_use", whole.content[0].signature)
    assert message.usage.output_tokens == whole.usage.output_tokens == sim.served[0].completion_tokens
    assert message.usage.input_tokens == sim.served[0].told_prompt_tokens


async def test_broken_arguments_of_a_tool_are_streamed_as_written(sim: Simulator, client: Any) -> None:
    use = ToolUse(id="toolu_1", name="f", arguments='{"city": "Br')
    sim.script("birch-small", [reply(tool_calls=(use,), finish="tool_calls")])
    parts = []
    async for event in await client.messages.create(**ask(stream=True)):
        if event.type == "content_block_delta":
            parts.append(event.delta.partial_json)
    assert "".join(parts) == use.arguments


async def test_thoughts_come_back_unchanged_or_not_at_all(sim: Simulator, client: Any) -> None:
    sim.script("birch-small", [reply("Yes.", reasoning="Hm.")])
    first = await client.messages.create(**ask())
    blocks = [block.model_dump(exclude_none=True) for block in first.content]
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": blocks}]
    turns.append({"role": "user", "content": "Sure?"})
    await client.messages.create(**ask(messages=turns))
    blocks[0]["thinking"] = "Other."
    with pytest.raises(anthropic.BadRequestError, match="signature"):
        await client.messages.create(**ask(messages=turns))


async def test_thinking_is_done_where_it_is_asked_for(sim: Simulator, client: Any) -> None:
    message = await client.messages.create(**ask("What is 17 + 25?", thinking={"type": "adaptive"}))
    assert [block.type for block in message.content] == ["thinking", "text"]
    plain = await client.messages.create(**ask("What is 17 + 25?"))
    assert [block.type for block in plain.content] == ["text"]


@pytest.mark.parametrize(("budget", "told"), [(1023, "greater than or equal to 1024"), (2000, "must be greater than")])
async def test_a_budget_for_thoughts_has_bounds(sim: Simulator, client: Any, budget: int, told: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=told):
        await client.messages.create(**ask(max_tokens=2000, thinking={"type": "enabled", "budget_tokens": budget}))


@pytest.mark.parametrize(
    ("step", "more", "stop", "text"),
    [
        (reply("one two three four"), {"max_tokens": 2}, "max_tokens", "one two"),
        (reply("a; b; c"), {"stop_sequences": [";"]}, "stop_sequence", "a"),
        (reply("I can", finish="refusal"), {}, "refusal", "I can"),
        (reply(refusal="I cannot.", finish="refusal"), {}, "refusal", "I cannot."),
    ],
)
async def test_stop_reasons(sim: Simulator, client: Any, step: Any, more: dict[str, Any], stop: str, text: str) -> None:
    sim.script("birch-small", [step, step])
    message = await client.messages.create(**ask(**more))
    assert (message.stop_reason, message.content[0].text) == (stop, text)
    async with client.messages.stream(**ask(**more)) as stream:
        streamed = await stream.get_final_message()
    assert (streamed.stop_reason, streamed.content[0].text) == (stop, text)
    assert streamed.stop_sequence == message.stop_sequence == (";" if stop == "stop_sequence" else None)


async def test_an_empty_answer_has_no_blocks(sim: Simulator, client: Any) -> None:
    sim.script("birch-small", [reply("")])
    assert (await client.messages.create(**ask())).content == []


async def test_a_tool_is_called_and_its_result_used(sim: Simulator, client: Any) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
    tools = [{"name": "get_weather", "input_schema": schema}]
    question = {"role": "user", "content": "I need the forecast for Oslo, 3 days ahead."}
    first = await client.messages.create(**ask(messages=[question], tools=tools, model="birch-large"))
    use = first.content[0]
    assert (first.stop_reason, use.name) == ("tool_use", "get_weather")
    result = {"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "Rain, 4 degrees."}]}
    turns = [question, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = await client.messages.create(**ask(messages=turns, tools=tools))
    assert "4 degrees" in second.content[0].text


async def test_a_wanted_form_is_kept(sim: Simulator, client: Any) -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "integer"}}}
    wanted = {"format": {"type": "json_schema", "schema": schema}}
    message = await client.messages.create(**ask("What is 17 + 25?", model="birch-large", output_config=wanted))
    assert orjson.loads(message.content[0].text) == {"answer": 42}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"temperature": 0.5}, "temperature"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "role"),
        ({"messages": [{"role": "user", "content": []}]}, "content"),
        ({"messages": [{"role": "user", "content": [{"type": "song"}]}]}, "song"),
        ({"tools": [{"name": "f"}]}, "input_schema"),
        ({"model": ""}, "model"),
    ],
)
async def test_refuses_in_anthropics_shape(
    sim: Simulator, http: aiohttp.ClientSession, more: dict[str, Any], says: str
) -> None:
    async with http.post(f"{sim.base_url}/messages", json=ask(**more), headers=HEADERS) as response:
        body = await response.json()
    assert response.status == 400
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
    assert says in body["error"]["message"]
    assert body["request_id"] == response.headers["request-id"] == sim.served[0].request_id


async def test_versions(sim: Simulator, http: aiohttp.ClientSession) -> None:
    for version, wanted in (("2023-06-01", 200), ("1999-01-01", 400), (None, 400)):
        headers = {} if version is None else {"anthropic-version": version}
        async with http.post(f"{sim.base_url}/messages", json=ask(temperature=0.5), headers=headers) as response:
            assert response.status == wanted, version


@pytest.mark.parametrize(
    ("code", "kind"),
    [(429, "rate_limit_error"), (529, "overloaded_error"), (500, "api_error"), (413, "request_too_large")],
)
async def test_failures_have_anthropics_types(sim: Simulator, client: Any, code: int, kind: str) -> None:
    sim.script("birch-small", [status(code, retry_after=2)])
    with pytest.raises(anthropic.APIStatusError) as caught:
        await client.messages.create(**ask())
    assert (caught.value.status_code, caught.value.type) == (code, kind)
    assert caught.value.response.headers["retry-after"] == "2"


async def test_a_stream_that_breaks_off_tells_the_prompt_only(sim: Simulator, client: Any) -> None:
    sim.script("birch-small", [fault("stream_error", text="one two three four", after_tokens=2)])
    with pytest.raises(anthropic.APIStatusError, match="simulated"):
        async with client.messages.stream(**ask()) as stream:
            await stream.get_final_message()
    served = sim.served[0]
    assert (served.told_prompt_tokens, served.told_completion_tokens) == (served.prompt_tokens, None)


async def test_counts_tokens_and_lists_models(sim: Simulator, client: Any) -> None:
    counted = await client.messages.count_tokens(model="birch-small", messages=ask("How long is this?")["messages"])
    await client.messages.create(**ask("How long is this?"))
    assert counted.input_tokens == sim.served[0].prompt_tokens
    assert "birch-large" in [model.id async for model in client.models.list()]


async def test_only_the_right_key_is_let_in() -> None:
    async with Simulator(SimulatorSettings(api_key="sesame")) as sim:
        async with AsyncAnthropic(base_url=sim.anthropic_url, api_key="sesame", max_retries=0) as right:
            await right.messages.create(**ask())
        async with AsyncAnthropic(base_url=sim.anthropic_url, api_key="wrong", max_retries=0) as wrong:
            with pytest.raises(anthropic.AuthenticationError):
                await wrong.messages.create(**ask())
