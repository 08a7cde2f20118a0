"""What goes back, read with the official client's own types and put together by its own accumulator."""

import json
from typing import Any

import pytest
from anthropic import NOT_GIVEN
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from ensemble.dialects import anthropic_messages
from ensemble.dialects.dialect import Asked, dumps, problem_of
from ensemble.errors import BudgetExceeded, DeadlineExceeded, EnsembleError, InvalidRequest, NoCandidate, UnknownModel
from ensemble.types import Answer
from judges.types import Completion, OpaquePart, ToolCall, Usage
from judges.types import Message as Turn
from tests.ensemble.answers import a_call, a_completion, a_prompt, an_answer

CALLS = (ToolCall(id="t1", name="f", arguments='{"x": 1}'), ToolCall(id="t2", name="g", arguments="{"))
THINKING = {"anthropic": {"thinking": {"type": "adaptive"}}}
BLOCK = {"type": "thinking", "thinking": "Hm, " * 200, "signature": "theirs"}
STATE = (
    OpaquePart(origin="good", data={"type": "anthropic", "block": BLOCK}),
    OpaquePart(origin="good", data={"type": "anthropic", "block": {"type": "redacted_thinking", "data": "x"}}),
    OpaquePart(origin="good", data={"type": "reasoning_content", "text": "So."}),
    OpaquePart(origin="good", data={"type": "reasoning_details", "details": [{"a": 1}]}),
)


def an_asked(**changes: Any) -> Asked:
    return Asked(**{"model": "panel", "prompt": a_prompt(), **changes})


def reply(answer: Answer, asked: Asked | None = None) -> Message:
    body = dumps(anthropic_messages.render(answer, asked or an_asked()))
    return TypeAdapter(Message).validate_json(body)


def events(answer: Answer, asked: Asked | None = None) -> list[Any]:
    read = []
    for frame in anthropic_messages.frames(answer, asked or an_asked(stream=True)):
        name, data, *rest = frame.decode().split("\n")
        assert rest == ["", ""]
        read.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {read[-1]['type']}"
    return read


def gathered(answer: Answer, asked: Asked | None = None) -> Any:
    """The message that the official client makes of the stream."""
    whole: Any = None
    buffers: dict[int, bytes] = {}
    for event in events(answer, asked):
        typed: Any = TypeAdapter(RawMessageStreamEvent).validate_python(event)
        whole = accumulate_event(event=typed, current_snapshot=whole, json_bufs=buffers, output_format=NOT_GIVEN)
    return whole


def test_a_message_is_the_winners_and_nothing_more() -> None:
    said = reply(an_answer())
    assert (said.id, said.type, said.role, said.model) == ("msg_r1", "message", "assistant", "good")
    assert [block.to_dict() for block in said.content] == [{"type": "text", "text": "Rayleigh scattering."}]
    assert (said.stop_reason, said.stop_sequence, said.stop_details) == ("end_turn", None, None)
    assert (said.usage.input_tokens, said.usage.output_tokens) == (10, 5)
    assert said.model_extra == {}


def test_input_from_and_to_the_cache_is_told_apart() -> None:
    usage = Usage(input_tokens=10, output_tokens=5, cached_input_tokens=4, cache_write_tokens=1, reasoning_tokens=3)
    said = reply(an_answer(a_completion(usage=usage))).usage
    assert (said.input_tokens, said.cache_read_input_tokens, said.cache_creation_input_tokens) == (5, 4, 1)
    assert said.output_tokens_details is not None
    assert said.output_tokens_details.thinking_tokens == 3


def test_an_unknown_count_is_no_number() -> None:
    answer = an_answer(a_completion(usage=Usage(input_tokens=10)))
    assert anthropic_messages.render(answer, an_asked())["usage"] == {
        "input_tokens": 10,
        "cache_creation_input_tokens": None,
        "cache_read_input_tokens": None,
        "output_tokens": None,
        "output_tokens_details": None,
    }


@pytest.mark.parametrize(
    ("completion", "reason", "sequence"),
    [
        (a_completion("x", finish_reason="length"), "max_tokens", None),
        (a_completion("x", finish_reason="other"), "end_turn", None),
        (a_completion("x", stop_sequence="END"), "stop_sequence", "END"),
        (a_completion("No.", finish_reason="refusal"), "refusal", None),
        (a_completion("", finish_reason="tool_calls", tool_calls=CALLS), "tool_use", None),
        (a_completion("", finish_reason="stop", tool_calls=CALLS), "tool_use", None),
    ],
)
def test_how_an_answer_ended(completion: Completion, reason: str, sequence: str | None) -> None:
    for said in (reply(an_answer(completion)), gathered(an_answer(completion))):
        assert (said.stop_reason, said.stop_sequence) == (reason, sequence)
        assert (said.stop_details is not None) == (reason == "refusal")


def test_arguments_that_are_no_object_stay_readable() -> None:
    said = reply(an_answer(a_completion("", finish_reason="tool_calls", tool_calls=CALLS)))
    assert [(block.id, block.name, block.input) for block in said.content if block.type == "tool_use"] == [
        ("t1", "f", {"x": 1}),
        ("t2", "g", {"arguments": "{"}),
    ]


@pytest.mark.parametrize(
    "completion",
    [
        a_completion("All of it. " * 100, reasoning=STATE),
        a_completion("See:", finish_reason="tool_calls", tool_calls=CALLS, reasoning=STATE),
        a_completion("", finish_reason="refusal"),
        a_completion("half a pair \ud800"),
    ],
)
def test_a_stream_adds_up_to_the_whole_message(completion: Completion) -> None:
    answer = an_answer(completion)
    asked = an_asked(prompt=a_prompt(options=THINKING))
    streamed = gathered(answer, asked).to_dict()
    assert streamed == reply(answer, asked).to_dict()


def test_the_order_of_events() -> None:
    kinds = [event["type"] for event in events(an_answer())]
    assert kinds == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    (last,) = (event for event in events(an_answer()) if event["type"] == "message_delta")
    assert (last["ensemble"]["winner"], last["ensemble"]["verdict"]["outcome"]) == ("good", "decided")


def test_thoughts_come_back_to_their_maker_as_they_were() -> None:
    """By way of a client, which passes blocks back as it got them."""
    completion = a_completion("Yes.", reasoning=STATE)
    asked = an_asked(prompt=a_prompt(options=THINKING))
    blocks = [block.to_dict() for block in reply(an_answer(completion), asked).content]
    assert [block["type"] for block in blocks] == [
        "thinking",
        "redacted_thinking",
        "thinking",
        "redacted_thinking",
        "text",
    ]
    assert blocks[0]["thinking"] == BLOCK["thinking"]
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": blocks}]
    read = anthropic_messages.parse(json.dumps({"model": "m", "max_tokens": 9, "messages": turns}).encode())
    said = read.prompt.messages[1]
    assert isinstance(said, Turn)
    assert said.content[:4] == STATE


def test_thoughts_are_told_to_who_asked_or_has_to_hand_them_back() -> None:
    """Many a client takes the first block to be the text."""
    plain = a_completion("Yes.", reasoning=STATE)
    assert [block.type for block in reply(an_answer(plain)).content] == ["text"]
    off = an_asked(prompt=a_prompt(options={"anthropic": {"thinking": {"type": "disabled"}}}))
    assert [block.type for block in reply(an_answer(plain), off).content] == ["text"]
    calling = a_completion("", finish_reason="tool_calls", tool_calls=CALLS[:1], reasoning=STATE[:1])
    assert [block.type for block in reply(an_answer(calling)).content] == ["thinking", "tool_use"]


def test_what_was_dropped_is_told_unasked() -> None:
    said = reply(an_answer(a_completion(dropped=("top_k",))))
    assert (said.model_extra or {})["ensemble"]["dropped"] == ["top_k"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("no", param="model"), "invalid_request_error"),
        (UnknownModel("no"), "not_found_error"),
        (BudgetExceeded("no"), "rate_limit_error"),
        (DeadlineExceeded("no"), "timeout_error"),
        (NoCandidate("no"), "api_error"),
        (EnsembleError("no"), "api_error"),
    ],
)
def test_errors_have_the_types_of_the_protocol(error: EnsembleError, kind: str) -> None:
    assert anthropic_messages.render_error(problem_of(error), "r1") == {
        "type": "error",
        "error": {"type": kind, "message": "no", "details": {"error_code": error.code, "param": error.param}},
        "request_id": "r1",
    }


def test_an_error_tells_what_became_of_each_candidate() -> None:
    calls = (a_call("good", None, failure="timeout", detail="too slow"),)
    said: Any = anthropic_messages.render_error(problem_of(NoCandidate("nobody", calls=calls)), "r1")
    assert said["error"]["candidates"][0]["member"] == "good"
