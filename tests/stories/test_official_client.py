"""The official OpenAI client, sync and async, sees a service that it knows."""

import asyncio
import json
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from ensemble.simulator import ToolUse, reply, status
from tests.served import PANEL, Served, a_tool
from tests.stories.conftest import Serve

ASKED: Any = {"model": "panel", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
BEST = "Because air scatters short waves more, and blue light has short waves."


def say(served: Served, best: str = BEST, *, finish: Any = "stop") -> None:
    """Let beta win by length."""
    served.simulator.script("alpha", [reply("No idea.")])
    served.simulator.script("beta", [reply(best, finish=finish)])
    served.simulator.script("gamma", [reply("Magic.")])


async def test_async(served: Served) -> None:
    say(served)
    async with served.client() as client:
        said = await client.chat.completions.create(**ASKED)
    assert (said.model, said.choices[0].message.content, said.choices[0].finish_reason) == ("beta", BEST, "stop")
    assert said.usage is not None
    assert said.usage.completion_tokens > 5


async def test_the_client_knows_the_id_of_the_request(served: Served) -> None:
    async with served.client() as client:
        said = await client.chat.completions.create(**ASKED)
        with pytest.raises(openai.NotFoundError) as failed:
            await client.chat.completions.create(**{**ASKED, "model": "nope"})
    assert said.id == f"chatcmpl-{said._request_id}"
    assert failed.value.request_id == failed.value.response.headers["x-ensemble-request-id"]


async def test_async_streamed(served: Served) -> None:
    say(served)
    async with served.client() as client:
        streamed = await client.chat.completions.create(**ASKED, stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in streamed]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == BEST
    assert chunks[-1].usage is not None
    report = (chunks[-1].model_extra or {})["ensemble"]
    assert (report["winner"], report["verdict"]["outcome"], report["cost"]["pending"]) == ("beta", "decided", [])


async def test_sync(served: Served) -> None:
    say(served)

    def ask() -> Any:
        with OpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
            return client.chat.completions.create(**ASKED, extra_body={"ensemble": {"include": ["candidates"]}})

    said = await asyncio.to_thread(ask)
    assert said.choices[0].message.content == BEST
    assert sorted(one["text"] for one in said.ensemble["candidates"]) == [BEST, "Magic.", "No idea."]


async def test_sync_streamed(served: Served) -> None:
    say(served)

    def ask() -> list[Any]:
        with OpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
            return list(client.chat.completions.create(**ASKED, stream=True))

    chunks = await asyncio.to_thread(ask)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == BEST
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_the_clients_stream_helper_gathers_the_answer(served: Served) -> None:
    say(served)
    async with served.client() as client, client.chat.completions.stream(**ASKED) as stream:
        final = await stream.get_final_completion()
    assert (final.choices[0].message.content, final.choices[0].message.refusal) == (BEST, None)


async def test_headers_are_there_for_the_raw_response(served: Served) -> None:
    async with served.client() as client:
        raw = await client.chat.completions.with_raw_response.create(**ASKED)
        assert raw.headers["x-ensemble-winner"] == raw.parse().model


async def test_models_are_listed(served: Served) -> None:
    async with served.client() as client:
        assert [model.id async for model in client.models.list()][:2] == ["panel", "alpha"]
        assert (await client.models.retrieve("panel")).owned_by == "ensemble"


class Weather(BaseModel):
    """What the answer is to look like."""

    city: str
    celsius: int


async def test_a_parsed_answer_in_a_form(served: Served) -> None:
    for name in ("alpha", "beta", "gamma"):
        served.simulator.script(name, [reply('{"city": "Oslo", "celsius": -3}')])
    async with served.client() as client:
        said = await client.chat.completions.parse(**ASKED, response_format=Weather)
    assert said.choices[0].message.parsed == Weather(city="Oslo", celsius=-3)
    schema = served.simulator.served[0].body["response_format"]
    assert schema["json_schema"]["schema"]["properties"]["celsius"] == {"title": "Celsius", "type": "integer"}  # type: ignore[index]


async def test_a_tool_loop_over_three_turns(served: Served) -> None:
    call = ToolUse(id="call_1", name="weather", arguments='{"city":"Oslo"}')
    for name in ("alpha", "beta", "gamma"):
        served.simulator.script(name, [reply(finish="tool_calls", tool_calls=(call,)), reply("It is -3 degrees.")])
    messages: list[Any] = list(ASKED["messages"])
    async with served.client() as client:
        first = await client.chat.completions.create(model="panel", messages=messages, tools=[a_tool()])  # type: ignore[list-item]
        asked = first.choices[0].message
        assert first.choices[0].finish_reason == "tool_calls"
        assert asked.tool_calls is not None
        assert asked.tool_calls[0].type == "function"
        assert json.loads(asked.tool_calls[0].function.arguments) == {"city": "Oslo"}
        messages += [asked, {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": "-3"}]
        second = await client.chat.completions.create(model="panel", messages=messages, tools=[a_tool()])  # type: ignore[list-item]
        assert second.choices[0].message.content == "It is -3 degrees."
        messages += [second.choices[0].message, {"role": "user", "content": "And tomorrow?"}]
        third = await client.chat.completions.create(model="panel", messages=messages)
    assert third.choices[0].message.content
    sent: Any = served.simulator.served[-1].body["messages"]
    assert [turn["role"] for turn in sent] == ["user", "assistant", "tool", "assistant", "user"]
    assert sent[1]["tool_calls"][0]["function"]["name"] == "weather"


async def test_logprobs(served: Served) -> None:
    async with served.client() as client:
        said = await client.chat.completions.create(**ASKED, logprobs=True, top_logprobs=2)
    logprobs = said.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content
    assert len(logprobs.content[0].top_logprobs) == 2


async def test_the_wrong_key(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "right")
    monkeypatch.setenv("ENSEMBLE_SERVER__API_KEY_ENV", "THE_KEY")
    served = await serve(PANEL)
    async with served.client(api_key="wrong") as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.chat.completions.create(**ASKED)
    assert refused.value.code == "invalid_api_key"
    async with served.client(api_key="right") as client:
        assert (await client.chat.completions.create(**ASKED)).choices


async def test_an_unknown_model_is_told_with_the_nearest_name(served: Served) -> None:
    async with served.client() as client:
        with pytest.raises(openai.NotFoundError, match="try panel") as refused:
            await client.chat.completions.create(**{**ASKED, "model": "pannel"})
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


async def test_a_wrong_parameter_is_told_by_name(served: Served) -> None:
    async with served.client() as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(**ASKED, n=300)
    assert refused.value.param == "n"


async def test_a_panel_that_failed_is_not_paid_for_again_by_the_clients_own_retries(served: Served) -> None:
    for name in ("alpha", "beta", "gamma"):
        served.simulator.script(name, [status(400)])
    async with served.client(max_retries=2) as client:
        with pytest.raises(openai.InternalServerError) as failed:
            await client.chat.completions.create(**ASKED)
    assert failed.value.status_code == 502
    assert len(served.simulator.served) == 3


async def test_a_stream_that_fails_before_it_begins_has_its_status(served: Served) -> None:
    for name in ("alpha", "beta", "gamma"):
        served.simulator.script(name, [status(400)])
    async with served.client() as client:
        with pytest.raises(openai.InternalServerError, match="no member brought an answer") as failed:
            await client.chat.completions.create(**ASKED, stream=True)
    assert (failed.value.status_code, failed.value.code) == (502, "no_candidate")
