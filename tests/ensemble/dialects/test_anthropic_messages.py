import json
from typing import Any

import pytest
from anthropic.types import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from hypothesis import given
from hypothesis import strategies as st

from ensemble.dialects import anthropic_messages
from ensemble.dialects._anthropic_body import CountRequest, MessageRequest
from ensemble.dialects.dialect import dumps
from ensemble.dialects.params import params
from ensemble.errors import InvalidRequest
from judges.types import FilePart, ImagePart, Message, OpaquePart, ResponseFormat, TextPart, ToolCall

USER = {"role": "user", "content": "hi"}
CALLING = {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {"x": 1}}]}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "42"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
CACHE = {"type": "ephemeral"}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "eA=="}, "title": "a"}
PNG = {"type": "base64", "media_type": "image/png", "data": "eA=="}


def body(**changes: Any) -> bytes:
    """A whole body with ``changes``; a value of ``...`` takes the key away."""
    full = {"model": "panel", "max_tokens": 100, "messages": [USER], **changes}
    return json.dumps({key: value for key, value in full.items() if value is not ...}).encode()


def test_every_kind_of_block_becomes_a_part_or_a_turn() -> None:
    turns = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": PNG},
                {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
                {"type": "image", "source": {"type": "file", "file_id": "f1"}},
                PDF,
                {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "found"}]},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me "},
                {"type": "text", "text": "see.", "citations": None},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"x": 1}, "caller": {"type": "direct"}},
            ],
        },
        {"role": "user", "content": [{**RESULT, "is_error": True}, {"type": "text", "text": "And?"}]},
        {"role": "system", "content": "Be kind."},
        {"role": "assistant", "content": "So"},
    ]
    asked = anthropic_messages.parse(body(messages=turns, system=[{"type": "text", "text": "Be"}] * 2))
    assert asked.prompt.messages == (
        Message(role="system", content="Be\n\nBe"),
        Message(
            role="user",
            content=(
                TextPart(text="What is this?"),
                ImagePart(url="data:image/png;base64,eA=="),
                ImagePart(url="https://x/y.png"),
                FilePart(data={"type": "image", "source": {"type": "file", "file_id": "f1"}}),
                FilePart(data=PDF),
                FilePart(
                    data={
                        "type": "search_result",
                        "source": "s",
                        "title": "t",
                        "content": ({"type": "text", "text": "found"},),
                    }
                ),
            ),
        ),
        Message(
            role="assistant",
            content="Let me see.",
            tool_calls=(ToolCall(id="c1", name="f", arguments='{"x": 1}'),),
        ),
        Message(role="tool", content="42", tool_call_id="c1", failed=True),
        Message(role="user", content="And?"),
        Message(role="system", content="Be kind."),
        Message(role="assistant", content="So"),
    )


def test_turns_of_one_role_in_a_row_are_one_where_tools_are_called() -> None:
    """Servers want every call of a turn in one message, and its results at once behind it."""
    use = {"type": "tool_use", "name": "f", "input": {}}
    turns = [
        USER,
        {"role": "assistant", "content": "Let me see."},
        {"role": "assistant", "content": [{**use, "id": "c1"}]},
        {"role": "assistant", "content": [{**use, "id": "c2"}, {**use, "id": "c3"}]},
        {"role": "user", "content": [{"type": "text", "text": "Here: "}, {**RESULT, "tool_use_id": "c2"}]},
        {"role": "user", "content": "and"},
        {"role": "user", "content": [RESULT, {"type": "text", "text": "So?"}, {**RESULT, "tool_use_id": "c3"}]},
        {"role": "assistant", "content": "One."},
        {"role": "assistant", "content": "Two."},
        USER,
        USER,
    ]
    assert anthropic_messages.parse(body(messages=turns)).prompt.messages == (
        Message(role="user", content="hi"),
        Message(
            role="assistant",
            content="Let me see.",
            tool_calls=tuple(ToolCall(id=id_, name="f", arguments="{}") for id_ in ("c1", "c2", "c3")),
        ),
        *(Message(role="tool", content="42", tool_call_id=id_) for id_ in ("c2", "c1", "c3")),
        Message(role="user", content=(TextPart(text="Here: "), TextPart(text="and"), TextPart(text="So?"))),
        Message(role="assistant", content="One."),
        Message(role="assistant", content="Two."),
        Message(role="user", content="hi"),
        Message(role="user", content="hi"),
    )


def test_every_parameter_that_is_honoured_or_mapped_arrives() -> None:
    asked = anthropic_messages.parse(
        body(
            system="Be brief.",
            tools=[{**TOOL, "type": "custom", "description": "d", "strict": True, "cache_control": CACHE}],
            tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            output_config={"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
            stop_sequences=["END"],
            metadata={"user_id": "u1", "team": "red"},
            thinking={"type": "enabled", "budget_tokens": 2000},
            service_tier="auto",
            cache_control={"type": "ephemeral", "ttl": "1h"},
            speed="fast",
            temperature=0.5,
            top_p=0.9,
            top_k=4,
            stream=True,
            ensemble={"include": ["candidates"], "deadline_s": 2.5},
        )
    )
    prompt = asked.prompt
    assert prompt.messages[0] == Message(role="system", content="Be brief.")
    assert prompt.tools == (
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
            "anthropic": {"cache_control": CACHE},
        },
    )
    assert prompt.tool_choice == {"type": "function", "function": {"name": "f"}}
    assert prompt.response_format == ResponseFormat(type="json_schema", schema={"type": "object"})
    assert (prompt.stop, prompt.max_output_tokens) == (("END",), 100)
    assert prompt.options == {
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning_effort": "low",
        "parallel_tool_calls": False,
        "anthropic": {
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
            "speed": "fast",
            "service_tier": "auto",
            "top_k": 4,
        },
    }
    assert (asked.user, asked.metadata, asked.stream) == ("u1", {"team": "red"}, True)
    assert (asked.include, asked.deadline_s) == (frozenset({"candidates"}), 2.5)


@pytest.mark.parametrize(("kind", "meant"), [("auto", "auto"), ("any", "required"), ("none", "none")])
def test_a_choice_of_tools_has_openais_words(kind: str, meant: str) -> None:
    assert anthropic_messages.parse(body(tools=[TOOL], tool_choice={"type": kind})).prompt.tool_choice == meant


def test_a_cache_marker_stands_at_the_end_of_its_turn() -> None:
    text = {"type": "text", "text": "x", "cache_control": CACHE}
    turns = [
        {"role": "user", "content": [text]},
        CALLING,
        {"role": "user", "content": [{**RESULT, "cache_control": CACHE}]},
    ]
    messages = anthropic_messages.parse(body(messages=turns, system=[text])).prompt.messages
    assert [message.cache_control for message in messages] == [CACHE, CACHE, None, CACHE]


def test_state_from_elsewhere_belongs_to_no_member() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": "abc"},
        {"type": "redacted_thinking", "data": "ens1.!!"},
        {"type": "text", "text": "Yes."},
    ]
    (_, said) = anthropic_messages.parse(
        body(messages=[USER, {"role": "assistant", "content": blocks}])
    ).prompt.messages
    assert said.content == (
        OpaquePart(origin="", data={"type": "anthropic", "block": blocks[0]}),
        OpaquePart(origin="", data={"type": "anthropic", "block": blocks[1]}),
        TextPart(text="Yes."),
    )


def test_null_is_the_same_as_left_out() -> None:
    keys = [key for key, field in MessageRequest.model_fields.items() if not field.is_required()]
    assert anthropic_messages.parse(body(**dict.fromkeys(keys))) == anthropic_messages.parse(body())


@pytest.mark.parametrize("keep", ["all", {"type": "all"}])
def test_an_edit_of_the_conversation_that_keeps_all_of_it_asks_for_nothing(keep: object) -> None:
    keeping = {"edits": [{"type": "clear_thinking_20251015", "keep": keep}]}
    assert anthropic_messages.parse(body(context_management=keeping)) == anthropic_messages.parse(body())


REFUSED: dict[str, Any] = {
    "container": "c",
    "diagnostics": {"previous_message_id": "m"},
    "inference_geo": "us",
    "output_format": {"type": "json_schema", "schema": {}},
    "user_profile_id": "u",
    "workspace_id": "w",
    "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    "mcp_servers": [{"url": "https://x"}],
    "thread": {"type": "create"},
}
"""A value for every parameter of the protocol that is not offered."""


@pytest.mark.parametrize(
    ("changes", "param", "told"),
    [
        ({"model": ...}, "model", "required"),
        ({"max_tokens": ...}, "max_tokens", "required"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]", "role must be one of user, assistant"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "string or an array"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages[0].content", "needs some text"),
        (
            {"messages": [USER, {"role": "user", "content": [{"type": "text", "text": " \n"}]}]},
            "messages[1].content",
            "leave an empty turn out",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "container_upload"}]}]},
            "messages[0].content[0]",
            "type must be one of text, image, document",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "server_tool_use"}]}]},
            "messages[0].content[0]",
            "type must be one of text, tool_use",
        ),
        (
            {"messages": [{"role": "user", "content": [{**PDF, "context": "c"}]}]},
            "messages[0].content[0].context",
            "in a text block",
        ),
        (
            {"messages": [{"role": "user", "content": [{**PDF, "citations": {"enabled": True}}]}]},
            "messages[0].content[0].citations",
            "no citations",
        ),
        ({"messages": [USER, CALLING]}, "messages[2]", "a tool_result is missing here for the tool_use c1"),
        ({"messages": [USER, CALLING, USER]}, "messages[2]", "a tool_result is missing"),
        ({"messages": [USER, CALLING, USER, USER]}, "messages[3]", "a tool_result is missing"),
        (
            {"messages": [USER, CALLING, {"role": "user", "content": [RESULT]}, {"role": "user", "content": [RESULT]}]},
            "messages[3].content[0].tool_use_id",
            "no tool_use in the turn before",
        ),
        (
            {"messages": [USER, {"role": "user", "content": [RESULT]}]},
            "messages[1].content[0].tool_use_id",
            "no tool_use in the turn before",
        ),
        ({"tools": [{**TOOL, "type": "web_search_20250305"}]}, "tools[0].type", "'custom'"),
        ({"tools": [{**TOOL, "defer_loading": True}]}, "tools[0].defer_loading", "no tool search"),
        ({"tools": [{"name": "a b", "input_schema": {}}]}, "tools[0].name", "match pattern"),
        ({"tool_choice": {"type": "auto"}}, "tool_choice", "needs tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "some"}}, "tool_choice", "type must be one of auto, any"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "nope"}}, "tool_choice", "not among tools"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens", "goes with the type enabled"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1023}}, "thinking.budget_tokens", "equal to 1024"),
        ({"temperature": 1.5}, "temperature", "less than or equal to 1"),
        ({"max_tokns": 5}, "max_tokns", "did you mean max_tokens?"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id", "valid string"),
        (
            {
                "context_management": {
                    "edits": [{"type": "clear_thinking_20251015", "keep": {"type": "thinking_turns"}}]
                }
            },
            "context_management",
            "shorten the conversation yourself",
        ),
        *(({name: value}, name, "not supported here") for name, value in REFUSED.items()),
    ],
)
def test_what_is_wrong_or_not_offered_is_refused_by_name(changes: dict[str, Any], param: str, told: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        anthropic_messages.parse(body(**changes))
    assert refused.value.param == param
    assert told in str(refused.value)


def test_the_table_names_every_parameter_of_the_official_client_with_its_fate() -> None:
    told = {param.name: param for param in anthropic_messages.PARAMS}
    typed = {*MessageCreateParamsNonStreaming.__annotations__, *MessageCreateParamsStreaming.__annotations__}
    assert {"model", "tools", "stream"} <= typed
    assert typed - set(told) == set()
    assert {name for name, param in told.items() if param.fate == "refused"} == set(REFUSED)
    assert set(MessageCountTokensParams.__annotations__) <= {param.name for param in params(CountRequest)}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
odd_blocks = st.dictionaries(
    st.sampled_from(["type", "text", "source", "input", "id", "content"]), json_values
) | st.sampled_from([{"type": "text", "text": "x"}, PDF, RESULT])
odd_turns = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system"]), "content": st.lists(odd_blocks, max_size=3)}
) | st.just(USER)


@given(
    st.dictionaries(st.sampled_from(sorted(MessageRequest.model_fields)), json_values, max_size=3),
    st.lists(odd_turns, max_size=3) | st.just([USER]),
)
def test_any_value_anywhere_is_understood_or_refused(changes: dict[str, Any], turns: list[Any]) -> None:
    """What is understood can be written as JSON again, for the members and for the log."""
    try:
        asked = anthropic_messages.parse(body(**{"messages": turns, **changes}))
    except InvalidRequest:
        return
    assert json.loads(dumps({"tools": list(asked.prompt.tools), "options": dict(asked.prompt.options)}))
