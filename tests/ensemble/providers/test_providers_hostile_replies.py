"""Replies with any one value replaced by any other: an answer with its types in order, or WrongShape; nothing else."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.providers import _anthropic_reply, _openai_reply
from ensemble.providers._connection import Gathering
from ensemble.providers._failures import told_in
from ensemble.providers._shapes import WrongShape
from judges.types import Completion
from tests.ensemble.providers import anthropic_upstream as anthropic
from tests.ensemble.providers import openai_upstream as openai

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner))
CALL = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
LOGPROBS = {"content": [{"token": "a", "logprob": -1.0, "top_logprobs": [{"token": "b", "logprob": -2.0}]}]}
USAGE = {"prompt_tokens": 1, "total_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1}, "cost": 0.5}


def events_of(wire: bytes) -> list[Any]:
    return [json.loads(line[6:]) for line in wire.splitlines() if line.startswith(b"data: ")]


OPENAI_WHOLE = openai.a_reply(
    usage=USAGE, message={"tool_calls": [CALL], "reasoning_content": "hm"}, choice={"logprobs": LOGPROBS}
)
OPENAI_EVENTS = [
    openai.a_chunk(content="Par", tool_calls=[CALL]),
    openai.a_chunk(reasoning_details=[{}], finish="stop"),
    openai.USAGE,
]
ANTHROPIC_WHOLE = anthropic.a_message(
    {"type": "text", "text": "Paris."},
    {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    stop_details={"explanation": "no"},
)
ANTHROPIC_EVENTS = events_of(
    anthropic.start()
    + anthropic.block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Par"})
    + anthropic.block(1, {"type": "tool_use", "id": "t"}, {"type": "input_json_delta", "partial_json": "{}"})
    + anthropic.end()
)


def places(document: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield way
    steps = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for step, inner in steps:
        yield from places(inner, (*way, step))


def replaced(document: Any, way: tuple[Any, ...], value: Any) -> Any:
    if not way:
        return value
    copy = deepcopy(document)
    holder = copy
    for step in way[:-1]:
        holder = holder[step]
    holder[way[-1]] = value
    return copy


def read(gathered: Gathering, take: Callable[[Any], Iterator[object]], documents: list[Any]) -> None:
    try:
        for document in documents:
            for _ in take(document):
                pass
    except WrongShape:
        pass
    for partial in (False, True):
        in_order(gathered.completion(partial=partial))


def in_silence(gathered: Gathering) -> Callable[[Any], Iterator[object]]:
    def take(document: Any) -> Iterator[object]:
        gathered.take_whole(document)
        return iter(())

    return take


def in_order(said: Completion) -> None:
    assert isinstance(said.text, str)
    counts = (said.usage.input_tokens, said.usage.output_tokens, said.usage.provider_nano_usd)
    assert all(count is None or (isinstance(count, int) and 0 <= count < 2**63) for count in counts)
    for call in said.tool_calls:
        assert [type(value) for value in (call.id, call.name, call.arguments)] == [str, str, str]
    assert said.model is None or isinstance(said.model, str)


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@given(data=st.data())
def test_whole_replies(wire: str, data: st.DataObject) -> None:
    whole = OPENAI_WHOLE if wire == "openai" else ANTHROPIC_WHOLE
    way = data.draw(st.sampled_from(list(places(whole))))
    gathered = _openai_reply.Gathered() if wire == "openai" else _anthropic_reply.Gathered()
    document = replaced(whole, way, data.draw(JSON))
    read(gathered, gathered.add_whole, [document])
    untold = _openai_reply.Gathered() if wire == "openai" else _anthropic_reply.Gathered()
    read(untold, in_silence(untold), [document])
    assert untold.completion() == gathered.completion()


@given(st.dictionaries(st.sampled_from(["content", "role", "refusal", "reasoning", "tool_calls", "x"]), JSON))
def test_a_reply_is_taken_as_it_is_told(message: dict[str, Any]) -> None:
    told, untold = _openai_reply.Gathered(), _openai_reply.Gathered()
    document = {"choices": [{"message": message, "finish_reason": "stop"}]}
    read(told, told.add_whole, [document])
    read(untold, in_silence(untold), [document])
    assert vars(untold) == vars(told)


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@given(data=st.data())
def test_streams(wire: str, data: st.DataObject) -> None:
    events = OPENAI_EVENTS if wire == "openai" else ANTHROPIC_EVENTS
    way = data.draw(st.sampled_from(list(places(events))[1:]))
    gathered = _openai_reply.Gathered() if wire == "openai" else _anthropic_reply.Gathered()
    read(gathered, gathered.add_event, replaced(events, way, data.draw(JSON)))


@given(JSON)
def test_errors(document: object) -> None:
    assert isinstance(told_in({"error": document}).message, str)
