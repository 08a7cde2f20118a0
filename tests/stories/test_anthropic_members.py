"""The official OpenAI client before a fleet of Anthropic's models: what it may ask for arrives in their format."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from ensemble.simulator import ToolUse, reply, status
from tests.served import PARTS, SERVER, Served, a_tool, serving

MEMBERS = """
[providers.claude]
use = "anthropic"
base_url = "{anthropic_url}"

[members.claude]
provider = "claude"
model = "beta"
max_attempts = 1
max_output_tokens = 200
price = {{ input = 1, output = 2 }}
options = {{ thinking = {{ type = "adaptive" }} }}
"""
ASKED: Any = {"model": "claude", "messages": [{"role": "user", "content": "How cold is Oslo?"}]}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, SERVER, parts=PARTS + MEMBERS) as opened:
        yield opened


def sent(served: Served) -> Any:
    return served.simulator.served[-1].body


class Weather(BaseModel):
    """What the answer is to look like."""

    city: str
    celsius: int


async def test_a_parsed_answer_in_a_form(served: Served) -> None:
    served.simulator.script("beta", [reply('{"city": "Oslo", "celsius": -3}', reasoning="It is winter.")])
    async with served.client() as client:
        said = await client.chat.completions.parse(**ASKED, response_format=Weather)
    assert said.choices[0].message.parsed == Weather(city="Oslo", celsius=-3)
    form = sent(served)["output_config"]["format"]
    assert (form["type"], form["schema"]["additionalProperties"]) == ("json_schema", False)


async def test_a_tool_loop(served: Served) -> None:
    use = ToolUse(id="toolu_1", name="weather", arguments='{"city":"Oslo"}')
    served.simulator.script("beta", [reply(tool_calls=(use,), finish="tool_calls"), reply("It is -3 degrees.")])
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, *ASKED["messages"]]
    tools: Any = [a_tool()]
    async with served.client() as client:
        first = await client.chat.completions.create(model="claude", messages=messages, tools=tools)
        asked = first.choices[0].message
        assert asked.tool_calls
        assert asked.tool_calls[0].type == "function"
        assert json.loads(asked.tool_calls[0].function.arguments) == {"city": "Oslo"}
        messages += [asked, {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": "-3"}]
        second = await client.chat.completions.create(model="claude", messages=messages, tools=tools)
    assert second.choices[0].message.content == "It is -3 degrees."
    body = sent(served)
    assert body["system"] == "Be brief."
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"][-1] == {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "weather",
        "input": {"city": "Oslo"},
    }
    result = body["messages"][2]["content"][0]
    assert (result["type"], result["tool_use_id"]) == ("tool_result", "toolu_1")


async def test_an_image_and_a_stream(served: Served) -> None:
    served.simulator.script("beta", [reply("A cat.", reasoning="Whiskers.")])
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    content: Any = [{"type": "text", "text": "What is it?"}, picture]
    async with served.client() as client:
        stream = await client.chat.completions.create(
            model="claude", messages=[{"role": "user", "content": content}], stream=True
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == "A cat."
    assert sent(served)["messages"][0]["content"][1]["source"]["media_type"] == "image/png"


async def test_thoughts_are_kept_for_the_log_as_they_came(served: Served) -> None:
    served.simulator.script("beta", [reply("-3", reasoning="It is winter.")])
    async with served.client() as client:
        said = await client.chat.completions.create(**ASKED)
    record = await served.record(said.id)
    (candidate,) = record["candidates"]
    assert said.choices[0].message.content == "-3"
    kept = json.dumps(candidate["reasoning"])
    assert "It is winter." in kept
    assert "signature" in kept


BOTH = """
[routers.both]
use = "parallel"
members = ["claude", "alpha"]
judge = "longest"
"""


async def test_a_blank_question_is_the_clients_to_mend(served: Served) -> None:
    """Anthropic's API takes none, so none is sent: it is no fault of a member's."""
    blanks: list[Any] = ["", " \n", [{"type": "text", "text": " "}]]
    for content, stream in ((one, stream) for one in blanks for stream in (False, True)):
        messages: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]
        async with served.client() as client:
            with pytest.raises(openai.BadRequestError) as caught:
                await client.chat.completions.create(model="claude", messages=messages, stream=stream)
        assert (caught.value.code, caught.value.param) == ("invalid_request", "messages")
        assert "write some into the last turn" in str(caught.value)
    assert not served.simulator.served
    kept = await served.service.store.read(
        lambda db: db.execute("SELECT attempt, failure, nano_usd FROM calls").fetchall()
    )
    assert set(kept) == {(0, "rejected", 0)}


async def test_whoever_takes_a_blank_question_answers_it(tmp_path: Path) -> None:
    async with serving(tmp_path, SERVER + BOTH, parts=PARTS + MEMBERS) as served, served.client() as client:
        said = await client.chat.completions.create(model="both", messages=[{"role": "user", "content": " "}])
        assert said.model == "alpha"
        served.simulator.script("alpha", [status(500)])
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="both", messages=[{"role": "user", "content": "\t"}])
        assert caught.value.status_code == 502
