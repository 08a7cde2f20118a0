"""What the official OpenAI client made of a reply goes back as it is: ``messages.append(message)``, and dumped."""

from typing import Any

import pytest
from pydantic import BaseModel

from ensemble.simulator import ToolUse, reply
from tests.served import Served, a_tool

pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # the client's own, of what it parsed

ASKED: Any = [{"role": "user", "content": "How cold is Oslo?"}]
CALL = ToolUse(id="t1", name="weather", arguments='{"city": "Oslo"}')
FUNCTION: Any = {**a_tool()["function"], "strict": True}
TOOLS: Any = [{"type": "function", "function": FUNCTION}]
FUNCTIONS: Any = [{"type": "function", **FUNCTION}]
RESULT: Any = {"role": "tool", "tool_call_id": "t1", "name": "weather", "content": "-3"}
OUTPUT: Any = {"type": "function_call_output", "call_id": "t1", "output": "-3"}


class Cold(BaseModel):
    """The form of an answer."""

    celsius: int


def last(served: Served) -> Any:
    """The turns that came to the member last."""
    body: Any = list(served.simulator.served)[-1].body
    return body["messages"]


@pytest.mark.parametrize("dumped", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_call_of_chat_completions(served: Served, streamed: bool, dumped: bool) -> None:
    served.simulator.script("alpha", [reply(tool_calls=(CALL,), finish="tool_calls")])
    asked: Any = {"model": "alpha", "messages": ASKED, "tools": TOOLS}
    async with served.client() as client:
        if streamed:
            async with client.chat.completions.stream(**asked) as stream:
                said: Any = await stream.get_final_completion()
        else:
            said = await client.chat.completions.parse(**asked)
        message = said.choices[0].message
        assert message.tool_calls[0].function.parsed_arguments == {"city": "Oslo"}
        echo = message.model_dump() if dumped else message
        await client.chat.completions.create(**{**asked, "messages": [*ASKED, echo, RESULT]})
    _, called, told = last(served)
    assert called["tool_calls"] == [
        {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    ]
    assert told == {"role": "tool", "tool_call_id": "t1", "content": "-3"}


async def test_a_form_of_chat_completions(served: Served) -> None:
    served.simulator.script("alpha", [reply('{"celsius": -3}')])
    async with served.client() as client:
        said: Any = await client.chat.completions.parse(model="alpha", messages=ASKED, response_format=Cold)
        await client.chat.completions.create(model="alpha", messages=[*ASKED, said.choices[0].message, *ASKED])
    assert last(served)[1] == {"role": "assistant", "content": '{"celsius": -3}'}


async def test_deltas_of_calls_that_a_client_put_together_itself(served: Served) -> None:
    served.simulator.script("alpha", [reply(tool_calls=(CALL,), finish="tool_calls")])
    asked: Any = {"model": "alpha", "tools": TOOLS}
    calls: list[Any] = []
    async with served.client() as client:
        async for chunk in await client.chat.completions.create(**asked, messages=ASKED, stream=True):
            for delta in chunk.choices[0].delta.tool_calls or ():
                if delta.id:
                    calls.append(delta.model_dump())
                else:
                    calls[delta.index]["function"]["arguments"] += delta.function.arguments
        turn: Any = {"role": "assistant", "content": None, "tool_calls": calls}
        await client.chat.completions.create(**asked, messages=[*ASKED, turn, RESULT])
    assert last(served)[1]["tool_calls"][0]["function"]["arguments"] == '{"city": "Oslo"}'


@pytest.mark.parametrize("dumped", [False, True])
async def test_a_call_of_responses(served: Served, dumped: bool) -> None:
    served.simulator.script("alpha", [reply(tool_calls=(CALL,), finish="tool_calls")])
    asked: Any = {"model": "alpha", "tools": FUNCTIONS}
    async with served.client() as client:
        async with client.responses.stream(**asked, input=ASKED) as stream:
            said: Any = await stream.get_final_response()
        assert said.output[0].parsed_arguments == {"city": "Oslo"}
        echo = [item.model_dump() if dumped else item for item in said.output]
        await client.responses.create(**asked, input=[*ASKED, *echo, OUTPUT])
    assert [turn["role"] for turn in last(served)] == ["user", "assistant", "tool"]


@pytest.mark.parametrize("dumped", [False, True])
async def test_a_form_of_responses(served: Served, dumped: bool) -> None:
    served.simulator.script("alpha", [reply('{"celsius": -3}')])
    async with served.client() as client:
        said: Any = await client.responses.parse(model="alpha", input=ASKED, text_format=Cold)
        echo = [item.model_dump() if dumped else item for item in said.output]
        await client.responses.create(model="alpha", input=[*ASKED, *echo, *ASKED])
    assert last(served)[1] == {"role": "assistant", "content": '{"celsius": -3}'}
