import json
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)

from ensemble.dialects import openai_chat
from ensemble.dialects._openai_body import ChatRequest
from ensemble.errors import InvalidRequest
from judges.types import FilePart, ImagePart, Message, ResponseFormat, TextPart, ToolCall

USER = {"role": "user", "content": "hi"}
CALLING = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1'}}],
}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def body(**changes: Any) -> bytes:
    """A whole body with ``changes``; a value of ``...`` takes the key away."""
    full = {"model": "panel", "messages": [USER], **changes}
    return json.dumps({key: value for key, value in full.items() if value is not ...}).encode()


def test_every_kind_of_turn_becomes_a_message() -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {
            "role": "user",
            "name": "eve",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA==", "detail": "low"}},
                {"type": "file", "file": {"file_id": "f1"}},
                {"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav"}},
            ],
        },
        CALLING,
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "assistant", "content": None, "refusal": "I would rather not."},
    ]
    assert openai_chat.parse(body(messages=turns)).prompt.messages == (
        Message(role="system", content="Be brief."),
        Message(role="developer", content=(TextPart(text="Be kind."),)),
        Message(
            role="user",
            name="eve",
            content=(
                TextPart(text="What is this?"),
                ImagePart(url="data:image/png;base64,eA==", detail="low"),
                FilePart(data={"type": "file", "file": {"file_id": "f1"}}),
                FilePart(data={"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav"}}),
            ),
        ),
        Message(role="assistant", tool_calls=(ToolCall(id="c1", name="f", arguments='{"x": 1'),)),
        Message(role="tool", content="42", tool_call_id="c1"),
        Message(role="assistant", content="I would rather not."),
    )


def test_every_parameter_that_is_honoured_arrives() -> None:
    asked = openai_chat.parse(
        body(
            tools=[TOOL],
            tool_choice={"type": "function", "function": {"name": "f"}},
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "who", "schema": {"type": "object"}, "description": "A person", "strict": True},
            },
            stop="END",
            seed=7,
            logprobs=True,
            top_logprobs=2,
            max_completion_tokens=100,
            temperature=0.5,
            parallel_tool_calls=False,
            reasoning_effort="low",
            user="u1",
            metadata={"team": "red"},
            stream=True,
            stream_options={"include_usage": True},
            ensemble={"include": ["candidates"], "deadline_s": 2.5},
        )
    )
    prompt = asked.prompt
    assert prompt.tools == (TOOL,)
    assert prompt.tool_choice == {"type": "function", "function": {"name": "f"}}
    assert prompt.response_format == ResponseFormat(
        type="json_schema", schema={"type": "object", "description": "A person"}, name="who", strict=True
    )
    assert (prompt.stop, prompt.seed, prompt.top_logprobs, prompt.max_output_tokens) == (("END",), 7, 2, 100)
    assert prompt.options == {"temperature": 0.5, "parallel_tool_calls": False, "reasoning_effort": "low"}
    assert (asked.user, asked.metadata, asked.stream, asked.include_usage) == ("u1", {"team": "red"}, True, True)
    assert (asked.include, asked.deadline_s) == (frozenset({"candidates"}), 2.5)


def test_of_allowed_tools_only_these_are_offered() -> None:
    def allow(mode: str, *names: str) -> Any:
        tools = [{"type": "function", "function": {"name": name}} for name in names]
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}

    other = {"type": "function", "function": {"name": "g"}}
    prompt = openai_chat.parse(body(tools=[TOOL, other], tool_choice=allow("required", "g"))).prompt
    assert (prompt.tools, prompt.tool_choice) == ((other,), "required")
    with pytest.raises(InvalidRequest, match="not among tools") as refused:
        openai_chat.parse(body(tools=[TOOL], tool_choice=allow("auto", "f", "h")))
    assert refused.value.param == "tool_choice"


def test_the_table_names_every_parameter_of_the_official_client() -> None:
    typed = {*get_type_hints(CompletionCreateParamsNonStreaming), *get_type_hints(CompletionCreateParamsStreaming)}
    assert {"model", "tools", "stream", "n"} <= typed
    assert typed == {param.name for param in openai_chat.PARAMS}


def test_null_is_the_same_as_left_out() -> None:
    bare = openai_chat.parse(body())
    keys = [key for key in ChatRequest.model_fields if key not in ("model", "messages")]
    assert openai_chat.parse(body(**dict.fromkeys(keys))) == bare


def test_values_that_ask_for_nothing_special_are_taken() -> None:
    plain = body(n=1, store=False, modalities=["text"], logprobs=False, response_format={"type": "text"}, tools=[])
    assert openai_chat.parse(plain) == openai_chat.parse(body())


@pytest.mark.parametrize(
    ("changes", "param", "told"),
    [
        ({"model": ...}, "model", "required"),
        ({"model": ""}, "model", "at least 1"),
        ({"messages": []}, "messages", "messages: there should be at least 1 item, not 0"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0]", "role must be one of system, developer"),
        ({"messages": [USER, {"role": "user", "content": 5}]}, "messages[1].content", "string or an array"),
        (
            {"messages": [{"role": "user", "content": [{"type": "video"}]}]},
            "messages[0].content[0]",
            "type must be one of text, image_url",
        ),
        ({"messages": [{"role": "assistant", "content": None}]}, "messages[0].content", "a value is needed"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].role", "use role 'tool'"),
        ({"messages": [USER, CALLING]}, "messages[2]", "a tool turn is missing here for the tool call c1"),
        ({"messages": [USER, CALLING, USER]}, "messages[2]", "a tool turn is missing"),
        (
            {"messages": [USER, {"role": "tool", "tool_call_id": "c9", "content": "x"}]},
            "messages[1].tool_call_id",
            "no tool call right before it",
        ),
        ({"temprature": 1}, "temprature", "did you mean temperature?"),
        ({"temperature": 2.5}, "temperature", "less than or equal to 2"),
        ({"temperature": True}, "temperature", "valid number"),
        ({"stream": 1}, "stream", "valid boolean"),
        ({"n": 0}, "n", "greater than or equal to 1"),
        ({"n": 129}, "n", "less than or equal to 128"),
        ({"functions": [{"name": "f"}]}, "functions", "use tools"),
        ({"function_call": "auto"}, "function_call", "use tool_choice"),
        ({"audio": {"voice": "x", "format": "wav"}}, "audio", "text only"),
        ({"modalities": ["text", "audio"]}, "modalities", "text only"),
        ({"store": True}, "store", "/v1/ensemble/requests/{id}"),
        ({"web_search_options": {}}, "web_search_options", "not supported here"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction", "not supported here"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type", "'function'"),
        ({"tool_choice": "auto"}, "tool_choice", "needs tools"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "custom"}},
            "tool_choice",
            "type must be one of function, allowed_tools",
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}},
            "tool_choice",
            "not among tools",
        ),
        ({"top_logprobs": 2}, "top_logprobs", "needs logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "needs stream"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens", "or this, not both"),
        ({"stop": ["a"] * 5}, "stop", "at most 4"),
        ({"seed": 2**70}, "seed", "less than or equal"),
        ({"metadata": {"a": 1}}, "metadata.a", "valid string"),
        ({"response_format": {"type": "xml"}}, "response_format", "type must be one of text, json_object, json_schema"),
        ({"ensemble": {"include": ["everything"]}}, "ensemble.include[0]", "'candidates' or 'verdict'"),
        ({"ensemble": {"deadline_s": 0}}, "ensemble.deadline_s", "greater than 0"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"most": 2**64}}}]},
            "tools[0].function.parameters",
            "64 bits",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"most": float("nan")}}}]},
            "tools[0].function.parameters",
            "NaN",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(changes: dict[str, Any], param: str, told: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        openai_chat.parse(body(**changes))
    assert refused.value.param == param
    assert told in str(refused.value)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"[" * 20_000,
        b'{"messages": "\xff"}',
        body(messages=[USER]).replace(b"hi", b"\\ud800"),
    ],
)
def test_a_body_that_is_no_json_object_is_told_so(raw: bytes) -> None:
    with pytest.raises(InvalidRequest, match="the body"):
        openai_chat.parse(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_understood_or_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        openai_chat.parse(raw)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
odd_turns = st.dictionaries(
    st.sampled_from(["role", "content", "tool_calls", "name", "refusal"]), json_values
) | st.just(USER)


@given(
    st.dictionaries(st.sampled_from(sorted(ChatRequest.model_fields)), json_values, max_size=3),
    st.lists(odd_turns | json_values, max_size=3) | st.just([USER]),
)
def test_any_value_anywhere_is_understood_or_refused(changes: dict[str, Any], turns: list[Any]) -> None:
    """What is understood can be written as JSON again, for the members and for the log."""
    try:
        asked = openai_chat.parse(body(**{"messages": turns, **changes}))
    except InvalidRequest:
        return
    assert json.loads(openai_chat.dumps({"tools": list(asked.prompt.tools), "options": dict(asked.prompt.options)}))
