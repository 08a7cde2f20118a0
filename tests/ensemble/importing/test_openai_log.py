"""Logged pairs of OpenAI's chat completions."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ensemble.importing.given import Given
from ensemble.importing.openai_log import OpenAILog
from ensemble.labelling.rows import Reject, RowReader
from tests.ensemble.importing.intake import candidates, first, log_of, put, rejected, take

REQUEST: dict[str, Any] = {
    "model": "gpt-mini",
    "messages": [{"role": "user", "content": "2 + 2?"}],
    "temperature": 0.5,
    "user": "somebody",
    "n": 2,
    "stream": False,
}
REPLY: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_760_000_000,
    "model": "gpt-mini-2026-01-01",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "4"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11},
}


def make(reader: RowReader) -> OpenAILog:
    return OpenAILog(reader.parse)


def one(row: object) -> Given:
    found = first(make, row)
    assert isinstance(found, Given), found
    return found


def test_pairs_of_a_proxy(tmp_path: Path) -> None:
    file = put(
        tmp_path / "log.jsonl",
        [
            {"request": REQUEST, "response": REPLY, "latency_ms": 250, "cost_usd": 0.00002},
            {"request": {"body": {**REQUEST, "model": "large"}}, "response": {"status_code": 200, "body": REPLY}},
        ],
    )
    told = take(file, "openai-log")
    assert (told["requests"], told["candidates"], told["verdicts"]) == (1, 2, 0)
    mini, large = candidates(file)
    assert (mini.member, mini.text, mini.nano_usd, mini.total_s, mini.input_tokens) == (
        "gpt-mini",
        "4",
        20_000,
        0.25,
        10,
    )
    assert (large.member, large.nano_usd, large.total_s) == ("large", None, None)
    call = next(log_of(file).calls())
    assert (call.model, call.started_at.year, call.transport) == ("gpt-mini-2026-01-01", 2025, "import")


def test_what_decides_the_answer_is_the_prompt() -> None:
    prompt = one({"request": REQUEST, "response": REPLY}).row.prompt
    assert (prompt.options, prompt.messages[0].text) == ({"temperature": 0.5}, "2 + 2?")


def test_every_choice_is_an_answer() -> None:
    message = {"role": "assistant", "content": "four"}
    choices = [*REPLY["choices"], {"index": 1, "message": message, "finish_reason": "length"}]
    answers = one({"request": REQUEST, "response": {**REPLY, "choices": choices}}).answers
    assert [(a.completion.text, a.completion.finish_reason, a.completion.usage.output_tokens) for a in answers] == [
        ("4", "stop", None),
        ("four", "length", None),
    ]


def test_tool_calls_are_kept() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    reply = {**REPLY, "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    (answer,) = one({"request": REQUEST, "response": reply}).answers
    assert [(c.name, c.arguments) for c in answer.completion.tool_calls] == [("add", '{"a": 2}')]


def test_a_batch_with_its_input(tmp_path: Path) -> None:
    output = [
        {"id": "b2", "custom_id": "r2", "response": {"status_code": 200, "body": REPLY}, "error": None},
        {"id": "b3", "custom_id": "r3", "response": {"status_code": 200, "body": REPLY}, "error": None},
        {"id": "b1", "custom_id": "r1", "response": None, "error": {"code": "batch_expired", "message": "too late"}},
    ]
    file = put(tmp_path / "output.jsonl", output)
    requests = put(
        tmp_path / "input.jsonl",
        [{"custom_id": f"r{n}", "method": "POST", "url": "/v1/chat/completions", "body": REQUEST} for n in (1, 2)],
    )
    told = take(file, "openai-log", "--requests", str(requests), code=3)
    assert (told["candidates"], told["rejected"]) == (1, 2)
    assert [row["reason"] for row in rejected(file, "output")] == [
        "custom_id: input.jsonl has no request 'r3'",
        "the call failed: too late",
    ]
    take(file, "openai-log", code=3)
    assert "name its input file with --requests" in rejected(file, "output")[0]["reason"]


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_stored_completion(wrapped: bool) -> None:
    held = [{"id": "m-0", "role": "user", "content": "2 + 2?", "name": None, "content_parts": None}]
    found = one({**REPLY, "messages": {"object": "list", "data": held} if wrapped else held, "metadata": {"k": "v"}})
    assert (found.answers[0].member, found.row.prompt.messages[0].text) == ("gpt-mini-2026-01-01", "2 + 2?")
    assert (found.row.metadata, found.row.row_id) == ({"k": "v"}, "chatcmpl-1")


BAD = [
    ({"request": REQUEST, "response": {"error": {"message": "no money"}}}, "the call failed: no money"),
    ({"request": REQUEST, "response": {"status_code": 500, "body": {}}}, "status 500"),
    ({"request": REQUEST, "response": {}}, "choices"),
    ({"request": {}, "response": REPLY}, "messages"),
    ({"hello": 1}, "neither request and response"),
    ([1], "no object"),
]


@pytest.mark.parametrize(("row", "told"), BAD)
def test_what_does_not_fit(row: object, told: str) -> None:
    found = first(make, row)
    assert isinstance(found, Reject)
    assert told in found.reason


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["request", "response", "body", "choices", "messages", "message", "content", "role", "error",
                         "custom_id", "usage", "created", "cost_usd", "status_code", "model", "metadata"]), inner),
    max_leaves=20,
)  # fmt: skip


# The first draw of a text takes seconds on a busy machine.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["request", "response", "messages", "choices", "custom_id", "model"]), TREES))
def test_any_row_is_given_or_rejected(row: dict[str, object]) -> None:
    assert isinstance(first(make, row), Given | Reject)
