"""The official OpenAI client with tools and forms, and what it is told of what is not offered."""

import asyncio
import json
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from ensemble.simulator import ToolUse, reply
from tests.served import Served, a_tool

ASKED: Any = {"model": "panel", "messages": [{"role": "user", "content": "How cold are Oslo and Bergen?"}]}
CALLS = tuple(
    ToolUse(id=f"call_{n}", name="weather", arguments=json.dumps({"city": city}))
    for n, city in enumerate(("Oslo", "Bergen"))
)
TOOL: Any = a_tool()
MEMBERS = ("alpha", "beta", "gamma")


class Weather(BaseModel):
    """What the answer is to look like."""

    city: str
    celsius: int


def sync(served: Served) -> OpenAI:
    """The official client without asyncio; use it in a thread, as a context manager."""
    return OpenAI(base_url=served.url, api_key="none", max_retries=0)


async def test_parallel_calls_and_their_results_sync(served: Served) -> None:
    for name in MEMBERS:
        served.simulator.script(name, [reply(finish="tool_calls", tool_calls=CALLS), reply("Both -3.")])

    def loop() -> tuple[Any, Any]:
        with sync(served) as client:
            first = client.chat.completions.create(
                **ASKED, tools=[TOOL], tool_choice="required", parallel_tool_calls=True
            ).choices[0]
            results = [
                {"role": "tool", "tool_call_id": call.id, "content": "-3"} for call in first.message.tool_calls or ()
            ]
            turns: Any = [*ASKED["messages"], first.message, *results]
            return first, client.chat.completions.create(model="panel", messages=turns, tools=[TOOL]).choices[0]

    first, last = await asyncio.to_thread(loop)
    assert first.finish_reason == "tool_calls"
    assert [json.loads(call.function.arguments)["city"] for call in first.message.tool_calls] == ["Oslo", "Bergen"]
    assert last.message.content == "Both -3."
    asked, answered = served.simulator.served[0].body, served.simulator.served[-1].body
    assert (asked["tool_choice"], asked["parallel_tool_calls"]) == ("required", True)
    turns: Any = answered["messages"]
    assert [turn.get("tool_call_id") for turn in turns[-2:]] == [call["id"] for call in turns[1]["tool_calls"]]


async def test_parallel_calls_are_gathered_from_a_stream(served: Served) -> None:
    for name in MEMBERS:
        served.simulator.script(name, [reply(finish="tool_calls", tool_calls=CALLS)])
    async with served.client() as client, client.chat.completions.stream(**ASKED, tools=[TOOL]) as stream:
        final = (await stream.get_final_completion()).choices[0]
    assert final.finish_reason == "tool_calls"
    called = [call.function.arguments for call in final.message.tool_calls or ()]
    assert called == [call.arguments for call in CALLS]


async def test_a_parsed_answer_is_the_one_that_fits_sync(served: Served) -> None:
    """The longest is no weather, and what the judge would prefer."""
    for name, text in zip(
        MEMBERS, ("Cold, as it has been for days.", '{"city": "Oslo", "celsius": -3}', "{}"), strict=True
    ):
        served.simulator.script(name, [reply(text)])

    def ask() -> Any:
        with sync(served) as client:
            return client.chat.completions.parse(**ASKED, response_format=Weather)

    said = await asyncio.to_thread(ask)
    assert (said.model, said.choices[0].message.parsed) == ("beta", Weather(city="Oslo", celsius=-3))


async def test_calls_of_a_typed_tool_are_parsed(served: Served) -> None:
    call = ToolUse(id="call_1", name="Weather", arguments='{"city": "Oslo", "celsius": -3}')
    for name in MEMBERS:
        served.simulator.script(name, [reply(finish="tool_calls", tool_calls=(call,))])
    async with served.client() as client:
        said = await client.chat.completions.parse(**ASKED, tools=[openai.pydantic_function_tool(Weather)])
    made: Any = said.choices[0].message.tool_calls
    assert made[0].function.parsed_arguments == Weather(city="Oslo", celsius=-3)


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.embeddings.create(model="panel", input="x"),
        lambda client: client.completions.create(model="panel", prompt="x"),
        lambda client: client.files.list(),
        lambda client: client.images.generate(prompt="x"),
    ],
    ids=["embeddings", "completions", "files", "images"],
)
async def test_what_is_not_offered_is_told_with_what_is(served: Served, ask: Any) -> None:
    def refused() -> openai.NotFoundError:
        with sync(served) as client, pytest.raises(openai.NotFoundError) as error:
            ask(client)
        return error.value

    told = await asyncio.to_thread(refused)
    assert (told.code, told.type) == ("not_found", "invalid_request_error")
    assert "is not offered; what is: " in told.message
    assert "POST /v1/chat/completions" in told.message
    assert not served.simulator.served
