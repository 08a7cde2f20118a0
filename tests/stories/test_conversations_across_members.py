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


async def test_a_tool_loop_goes_on_from_a_call_without_thoughts(mixed: Served) -> None:
    """Anthropic takes up no thinking in the middle of a loop that another member began."""
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    use = ToolUse(id="functions.weather:0", name="weather", arguments='{"city":"Oslo"}')
    say(mixed, "alpha", "I look it up, and tell you at once.", tool_calls=(use, use), finish="tool_calls")
    messages: list[Any] = [*ASKED["messages"]]
    asked: Any = {"model": "panel", "max_tokens": 2000, "thinking": thinking, "tools": [TOOL]}
    async with client(mixed) as asking:
        first = await asking.messages.create(**asked, messages=messages)
        ids = [block.id for block in first.content if block.type == "tool_use"]
        assert len(set(ids)) == 2  # though the server gave one id to both
        results = [{"type": "tool_result", "tool_use_id": id_, "content": "-3"} for id_ in ids]
        messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
        say(mixed, "claude")
        second = await asking.messages.create(**asked, messages=messages)
    assert (second.model, second.content[0].to_dict()["text"]) == ("claude", BEST)
    assert (second.model_extra or {})["ensemble"]["dropped"] == ["thinking"]
    body = sent(mixed, "claude")
    calls = [block["id"] for block in body["messages"][1]["content"] if block["type"] == "tool_use"]
    assert calls == [block["tool_use_id"] for block in body["messages"][2]["content"]]
    assert all(id_.replace("_", "").isalnum() for id_ in calls)


async def test_thoughts_fit_the_limit_of_the_member(mixed: Served) -> None:
    """Its own limit, 3000, is below the budget that the client set, and the API refuses that."""
    thinking: Any = {"type": "enabled", "budget_tokens": 6000}
    say(mixed, "claude", reasoning="It is winter.")
    async with client(mixed) as asking:
        said = await asking.messages.create(**{**ASKED, "max_tokens": 8000}, thinking=thinking)
    assert (said.model, [block.type for block in said.content]) == ("claude", ["thinking", "text"])
    assert sent(mixed, "claude")["thinking"] == {**thinking, "budget_tokens": 1500}
    assert (said.model_extra or {})["ensemble"]["dropped"] == ["thinking"]


async def test_results_of_tools_in_turns_of_their_own_reach_both_formats(mixed: Served) -> None:
    """Anthropic's API takes turns of one role in a row as one; OpenAI's wants the results at once behind the calls."""
    uses = [{"type": "tool_use", "id": id_, "name": "weather", "input": {"city": "Oslo"}} for id_ in ("c1", "c2")]
    results = [{"type": "tool_result", "tool_use_id": id_, "content": id_} for id_ in ("c1", "c2")]
    messages: list[Any] = [
        *ASKED["messages"],
        {"role": "assistant", "content": uses},
        {"role": "user", "content": [results[0], {"type": "text", "text": "That was quick."}]},
        {"role": "user", "content": [results[1]]},
    ]
    say(mixed, "claude")
    async with client(mixed) as asking:
        said = await asking.messages.create(model="panel", max_tokens=100, messages=messages, tools=[TOOL])
    assert said.model == "claude"
    first, second, text = sent(mixed, "claude")["messages"][2]["content"]
    assert ([first["tool_use_id"], second["tool_use_id"]], text["text"]) == (["c1", "c2"], "That was quick.")
    turns = sent(mixed, "alpha")["messages"][-3:]
    assert [(turn["role"], turn["content"]) for turn in turns] == [
        ("tool", "c1"),
        ("tool", "c2"),
        ("user", "That was quick."),
    ]


async def test_chat_clients_tool_loop_over_both_formats(mixed: Served) -> None:
    """Ids that one format has and the other refuses are made over, in both directions."""
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": TOOL["input_schema"]}}
    messages: list[Any] = [*ASKED["messages"]]
    async with mixed.client() as asking:
        for number, winner in enumerate(["claude", "alpha", "deep"]):
            use = ToolUse(id=f"functions.weather:0-{'x' * 60}", name="weather", arguments=f'{{"n":{number}}}')
            say(mixed, winner, "I look it up, and tell you at once.", tool_calls=(use,), finish="tool_calls")
            said = await asking.chat.completions.create(model="panel", messages=messages, tools=[tool])
            asked = said.choices[0].message
            assert (said.model, said.choices[0].finish_reason) == (winner, "tool_calls")
            assert asked.tool_calls
            messages += [asked, {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": f"-{number}"}]
        say(mixed, "claude")
        last = await asking.chat.completions.create(model="panel", messages=messages, tools=[tool])
    assert last.choices[0].message.content == BEST
    calls = [call["id"] for turn in sent(mixed, "alpha")["messages"] for call in turn.get("tool_calls", ())]
    results = [turn["tool_call_id"] for turn in sent(mixed, "alpha")["messages"] if turn["role"] == "tool"]
    assert (len(set(calls)), results) == (3, calls)
    assert max(map(len, calls)) <= 40
    blocks = [block for turn in sent(mixed, "claude")["messages"] for block in turn["content"]]
    made = [block["id"] for block in blocks if block["type"] == "tool_use"]
    assert (len(set(made)), made) == (3, [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"])


async def test_a_tool_may_show_an_image_to_members_of_both_formats(mixed: Served) -> None:
    use = ToolUse(id="call_1", name="weather", arguments='{"city":"Oslo"}')
    say(mixed, "claude", "I look it up, and tell you at once.", tool_calls=(use,), finish="tool_calls")
    messages: list[Any] = [*ASKED["messages"]]
    asked: Any = {"model": "panel", "max_tokens": 100, "tools": [TOOL]}
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    async with client(mixed) as asking:
        first = await asking.messages.create(**asked, messages=messages)
        result = {"type": "tool_result", "tool_use_id": "call_1", "content": [picture]}
        messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        say(mixed, "alpha")
        second = await asking.messages.create(**asked, messages=messages)
    assert second.model == "alpha"
    assert sent(mixed, "claude")["messages"][-1]["content"][0]["content"] == [picture]
    assert sent(mixed, "alpha")["messages"][-1]["content"][0]["type"] == "image_url"
