"""A conversation that members of different wire formats take turns in: tools and thoughts find their way."""

from typing import Any

import pytest

from ensemble.simulator import ToolUse
from tests.messages import ASKED, BEST, TOOL, client, say, sent
from tests.served import Served


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_tool_loop_of_three_turns_over_both_formats(mixed: Served, streamed: bool) -> None:
    """Each turn is won by a member of the other format, and each gets the turns of the others in its own words."""
    messages: list[Any] = [*ASKED["messages"]]
    asked: Any = {"model": "panel", "max_tokens": 100, "tools": [TOOL], "tool_choice": {"type": "auto"}}
    async with client(mixed) as asking:

        async def turn() -> Any:
            if not streamed:
                return await asking.messages.create(**asked, messages=messages)
            async with asking.messages.stream(**asked, messages=messages) as stream:
                return await stream.get_final_message()

        for number, winner in enumerate(["alpha", "claude", "deep"]):
            use = ToolUse(id=f"call_{number}", name="weather", arguments=f'{{"city":"City {number}"}}')
            say(mixed, winner, "I look it up, and tell you at once.", tool_calls=(use,), finish="tool_calls")
            said = await turn()
            assert (said.model, said.stop_reason) == (winner, "tool_use")
            (call,) = (block for block in said.content if block.type == "tool_use")
            assert (call.name, call.input) == ("weather", {"city": f"City {number}"})
            result = {"type": "tool_result", "tool_use_id": call.id, "content": f"-{number}"}
            messages += [{"role": "assistant", "content": said.content}, {"role": "user", "content": [result]}]
        say(mixed, "alpha")
        last = await turn()
    assert (last.stop_reason, last.content[0].text) == ("end_turn", BEST)
    openai_turns = sent(mixed, "alpha")["messages"]
    assert [turn["role"] for turn in openai_turns] == ["user"] + ["assistant", "tool"] * 3
    assert [turn["content"] for turn in openai_turns if turn["role"] == "tool"] == ["-0", "-1", "-2"]
    anthropic_turns = sent(mixed, "claude")["messages"]
    assert [turn["role"] for turn in anthropic_turns] == ["user"] + ["assistant", "user"] * 3
    assert sent(mixed, "claude")["tools"] == [TOOL]
    for member in ("alpha", "deep"):
        calls = [call for turn in sent(mixed, member)["messages"] for call in turn.get("tool_calls", ())]
        results = [turn["tool_call_id"] for turn in sent(mixed, member)["messages"] if turn["role"] == "tool"]
        assert [call["id"] for call in calls] == results


async def test_thoughts_go_back_to_who_had_them(mixed: Served) -> None:
    thinking: Any = {"type": "adaptive"}
    say(mixed, "claude", reasoning="It is winter.")
    messages: list[Any] = [*ASKED["messages"]]
    asked: Any = {"model": "panel", "max_tokens": 100, "thinking": thinking}
    async with client(mixed) as asking:
        first = await asking.messages.create(**asked, messages=messages)
        assert [block.type for block in first.content] == ["thinking", "text"]
        assert first.content[0].to_dict()["thinking"] == "It is winter."
        messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": "And Rome?"}]
        say(mixed, "claude")
        second = await asking.messages.create(**asked, messages=messages)
    # The simulated server refuses thoughts that are not its own, as Anthropic's does.
    (thought, text) = sent(mixed, "claude")["messages"][1]["content"]
    assert (thought["type"], thought["thinking"], text["text"]) == ("thinking", "It is winter.", BEST)
    assert sent(mixed, "alpha")["messages"][1]["content"] == BEST
    assert "It is winter." not in str(sent(mixed, "deep"))
    record = await mixed.record(second.id)
    dropped = {call["member"]: call["dropped"] for call in record["calls"]}
    assert dropped == {
        "alpha": ["thinking", "provider_state"],
        "deep": ["thinking", "provider_state"],
        "claude": [],
    }
