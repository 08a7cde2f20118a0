import json
from dataclasses import replace
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseStreamEvent
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from pydantic import TypeAdapter

from ensemble.dialects import openai_responses, state
from ensemble.dialects._responses_body import ResponseRequest
from ensemble.dialects.dialect import Asked, dumps
from ensemble.errors import InvalidRequest
from ensemble.types import Answer
from judges.types import (
    Completion,
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    ResponseFormat,
    TextPart,
    TokenLogprob,
    ToolCall,
    Usage,
)
from tests.ensemble.answers import a_completion, a_prompt, an_answer

CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "42"}
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}}
THOUGHT = OpaquePart(origin="deep", data={"type": "reasoning_content", "text": "Hm."})


def body(**changes: Any) -> bytes:
    return json.dumps({"model": "panel", "input": "hi", **changes}).encode()


def messages(*items: Any) -> tuple[Message, ...]:
    return openai_responses.parse(body(input=items)).prompt.messages


def test_the_table_names_every_parameter_of_the_official_client() -> None:
    typed = {*get_type_hints(ResponseCreateParamsNonStreaming), *get_type_hints(ResponseCreateParamsStreaming)}
    assert {"model", "tools", "stream", "previous_response_id"} <= typed
    assert {param.name for param in openai_responses.PARAMS} - typed == {"client_metadata"}  # Codex's own
    assert typed <= {param.name for param in openai_responses.PARAMS}


def test_null_is_the_same_as_left_out() -> None:
    bare = openai_responses.parse(body())
    keys = [key for key in ResponseRequest.model_fields if key not in ("model", "input")]
    assert openai_responses.parse(body(**dict.fromkeys(keys))) == bare


def test_every_kind_of_item_becomes_a_message() -> None:
    seal = state.sealed(THOUGHT)
    file = {"type": "input_file", "file_url": "https://x/a.pdf"}
    assert messages(
        {"role": "developer", "content": "Be kind."},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": "data:image/png;base64,eA==", "detail": "low"},
                file,
            ],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": seal},
        {
            "role": "assistant",
            "id": "msg_1",
            "content": [{"type": "output_text", "text": "I look.", "annotations": []}],
        },
        CALL,
        {**OUTPUT, "output": [{"type": "input_text", "text": "42"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "assistant", "content": "Yes."},
    ) == (
        Message(role="developer", content="Be kind."),
        Message(
            role="user",
            content=(
                TextPart(text="What is this?"),
                ImagePart(url="data:image/png;base64,eA==", detail="low"),
                FilePart(data=file),
            ),
        ),
        Message(
            role="assistant",
            content=(THOUGHT, TextPart(text="I look.")),
            tool_calls=(ToolCall(id="c1", name="f", arguments="{}"),),
        ),
        Message(role="tool", content="42", tool_call_id="c1"),
        Message(role="assistant", content="No.\n\nYes."),
    )


def test_calls_and_outputs_may_come_in_any_grouping() -> None:
    second, answered = {**CALL, "call_id": "c2"}, {**OUTPUT, "call_id": "c2"}
    assert [m.role for m in messages(CALL, second, OUTPUT, answered)] == ["assistant", "tool", "tool"]
    assert [m.role for m in messages(CALL, OUTPUT, second, answered)] == ["assistant", "tool"] * 2


@pytest.mark.parametrize(
    ("items", "told"),
    [
        ([CALL], "missing for the call_id 'c1'"),
        ([CALL, {"role": "user", "content": "And?"}, OUTPUT], "missing for the call_id 'c1'"),
        ([OUTPUT], "has the call_id 'c1'"),
        ([CALL, OUTPUT, OUTPUT], "has the call_id 'c1'"),
    ],
)
def test_calls_without_outputs_and_outputs_without_calls_are_refused(items: Any, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told) as refused:
        messages(*items)
    assert refused.value.param == "input"


def test_state_of_nobody_known_belongs_to_no_member() -> None:
    (turn,) = messages({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"})
    assert isinstance(turn.content, tuple)
    assert [part.origin for part in turn.content if isinstance(part, OpaquePart)] == [""]


def test_the_description_of_a_form_stands_in_its_schema() -> None:
    form = {"type": "json_schema", "name": "who", "description": "Who.", "schema": {"type": "object"}}
    asked = openai_responses.parse(body(text={"format": form}))
    schema = {"description": "Who.", "type": "object"}
    assert asked.prompt.response_format == ResponseFormat(type="json_schema", schema=schema, name="who")


def test_what_asks_for_nothing_is_taken() -> None:
    """Clients state defaults, which are no wish."""
    asked = openai_responses.parse(
        body(truncation="disabled", background=False, tool_choice="auto", parallel_tool_calls=True, top_logprobs=0)
    )
    assert asked.prompt == openai_responses.parse(body()).prompt


def test_only_the_allowed_tools_are_offered() -> None:
    other = {**TOOL, "name": "g"}
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "g"}]}
    asked = openai_responses.parse(body(tools=[TOOL, other], tool_choice=choice)).prompt
    assert (asked.tool_choice, [tool["function"]["name"] for tool in asked.tools]) == ("auto", ["g"])  # type: ignore[index]


def earlier(**changes: Any) -> Answer:
    answer = an_answer(a_completion("Because.", reasoning=(THOUGHT,)))
    return replace(answer, request=replace(answer.request, **changes))


def test_a_conversation_goes_on_under_the_new_instructions() -> None:
    told = (Message(role="system", content="Old."), Message(role="user", content="Why?"))
    before = earlier(prompt=replace(a_prompt(), messages=told), tags={"responses.instructions": "first"})
    asked = openai_responses.parse(body(instructions="New.", previous_response_id="resp_r1"))
    whole = openai_responses.resumed(asked, before)
    assert whole.prompt.messages == (
        Message(role="system", content="New."),
        Message(role="user", content="Why?"),
        Message(role="assistant", content=(THOUGHT, TextPart(text="Because."))),
        Message(role="user", content="hi"),
    )
    assert whole.conversation == "r1"


def test_what_was_stated_before_holds_unless_it_is_stated_anew() -> None:
    before = earlier(data_class="eu", conversation="k")
    asked = openai_responses.parse(body(previous_response_id="resp_r1"))
    whole = openai_responses.resumed(asked, before)
    assert (whole.conversation, whole.metadata) == ("k", {"data_class": "eu"})
    stated = {"data_class": "public", "conversation": "c"}
    anew = openai_responses.resumed(replace(asked, metadata=stated, conversation="c"), before)
    assert (anew.conversation, anew.metadata) == ("c", stated)


def test_an_earlier_call_wants_its_output() -> None:
    calling = a_completion("", finish_reason="tool_calls", tool_calls=(ToolCall(id="c1", name="f", arguments="{}"),))
    asked = openai_responses.parse(body(previous_response_id="resp_r1"))
    with pytest.raises(InvalidRequest, match="missing for the call_id 'c1'"):
        openai_responses.resumed(asked, an_answer(calling))
    answering = openai_responses.parse(body(previous_response_id="resp_r1", input=[OUTPUT]))
    roles = [turn.role for turn in openai_responses.resumed(answering, an_answer(calling)).prompt.messages]
    assert roles == ["user", "assistant", "tool"]


def rendered(answer: Answer) -> dict[str, Any]:
    return openai_responses.render(answer, Asked(model="panel", prompt=a_prompt()))


@pytest.mark.parametrize(
    ("changes", "status", "why", "kinds"),
    [
        ({"text": "x"}, "completed", None, ["output_text"]),
        ({"text": ""}, "completed", None, ["output_text"]),
        ({"text": "x", "finish_reason": "length"}, "incomplete", "max_output_tokens", ["output_text"]),
        ({"text": "No.", "finish_reason": "refusal"}, "completed", None, ["refusal"]),
        ({"text": "", "finish_reason": "refusal"}, "incomplete", "content_filter", []),
    ],
)
def test_how_an_answer_ended(changes: Any, status: str, why: str | None, kinds: list[str]) -> None:
    said = rendered(an_answer(a_completion(**changes)))
    assert said["status"] == status
    assert said["incomplete_details"] == ({"reason": why} if why else None)
    assert [part["type"] for item in said["output"] for part in item["content"]] == kinds
    assert {item["status"] for item in said["output"]} <= {status}


def test_an_unknown_count_is_no_number() -> None:
    assert rendered(an_answer(a_completion(usage=Usage(input_tokens=10))))["usage"] is None
    known = Usage(input_tokens=10, output_tokens=5, cached_input_tokens=4, cache_write_tokens=0, reasoning_tokens=3)
    assert rendered(an_answer(a_completion(usage=known)))["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 15,
    }


def test_every_event_fits_the_official_types() -> None:
    usage = Usage(input_tokens=10, output_tokens=5, cached_input_tokens=0, cache_write_tokens=0, reasoning_tokens=3)
    tokens = (TokenLogprob(token="Hi", logprob=-0.5, top=(("Hi", -0.5), ("Ho", -1.0))),)
    calls = (ToolCall(id="t1", name="f", arguments='{"x": 1}'),)
    said = a_completion("Hi", tool_calls=calls, logprobs=tokens, reasoning=(THOUGHT,), usage=usage)
    tags = {"responses.summary": "auto"}
    answer = an_answer(said, prompt=a_prompt(top_logprobs=2))
    answer = replace(answer, request=replace(answer.request, tags=tags))
    frames = list(openai_responses.frames(answer, Asked(model="panel", prompt=answer.request.prompt)))
    checked: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    for frame in frames:
        name, data, rest = frame.split(b"\n", 2)
        event = checked.validate_json(data.removeprefix(b"data: "))
        assert (name, rest) == (b"event: " + event.type.encode(), b"\n")
    assert len(frames) == 19
    assert b'"bytes"' not in next(frame for frame in frames if b"output_text.delta" in frame)


def test_a_reply_can_be_sent_whatever_a_model_wrote() -> None:
    assert dumps(rendered(an_answer(a_completion("\ud800"))))


words = st.text(max_size=600)
completions = st.builds(
    a_completion,
    words,
    finish_reason=st.sampled_from(["stop", "length", "tool_calls", "refusal", "other"]),
    tool_calls=st.lists(st.builds(ToolCall, id=words, name=words, arguments=words), max_size=2).map(tuple),
    reasoning=st.lists(st.just(THOUGHT), max_size=2).map(tuple),
)
GROWS = {
    "response.output_text": ("content_index", "text"),
    "response.refusal": ("content_index", "refusal"),
    "response.reasoning_summary_text": ("summary_index", "text"),
    "response.function_call_arguments": (None, "arguments"),
}
"""What a delta adds to, by the beginning of its type: an index within the item, and a field."""


@given(completions)
def test_events_put_together_are_the_response(said: Completion) -> None:
    answer = an_answer(said)
    answer = replace(answer, request=replace(answer.request, tags={"responses.summary": "auto"}))
    asked = Asked(model="panel", prompt=answer.request.prompt)
    events = [json.loads(frame.split(b"data: ", 1)[1]) for frame in openai_responses.frames(answer, asked)]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    grown: list[dict[str, Any]] = []
    for event in events:
        kind, _, step = event["type"].rpartition(".")
        if kind == "response.output_item" and step == "added":
            assert event["output_index"] == len(grown)
            grown.append(event["item"])
        elif kind == "response.content_part" and step == "added":
            grown[-1]["content"].append(event["part"])
        elif kind == "response.reasoning_summary_part" and step == "added":
            grown[-1]["summary"].append(event["part"])
        elif step == "delta":
            index, field = GROWS[kind]
            item = grown[event["output_index"]]
            assert item["id"] == event["item_id"]
            place = {"content_index": "content", "summary_index": "summary"}.get(index or "")
            (item if place is None else item[place][event[index]])[field] += event["delta"]
        elif kind == "response.output_item":
            assert {**grown[-1], "status": None} == {**event["item"], "status": None}
    final = events[-1]["response"]
    assert [{**item, "status": None} for item in grown] == [{**item, "status": None} for item in final["output"]]
    told = json.loads(dumps(rendered(answer)))
    assert {**final, "ensemble": None} == {**told, "ensemble": None}
    assert events[-1]["type"] == f"response.{final['status']}"
