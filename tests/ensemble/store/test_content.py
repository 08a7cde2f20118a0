import json
import math
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.store.content import (
    ESCAPE,
    bind,
    dumps,
    loads,
    logprobs_json,
    messages_json,
    messages_of,
    options_json,
    stamp,
    texts_of,
    unbind,
)
from judges.types import (
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    Prompt,
    ResponseFormat,
    TextPart,
    TokenLogprob,
    ToolCall,
)
from tests.ensemble.store.builders import NOON

# Plenty of what breaks a bind: surrogates, NUL, and the very code point that escapes them.
texts = st.text(st.characters() | st.sampled_from(f"\x00\ud800\udbff\udc00\udfff{ESCAPE}0d8f"), max_size=40)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(texts, trees, max_size=3)
parts = (
    st.builds(TextPart, text=texts)
    | st.builds(ImagePart, url=texts, detail=st.none() | texts)
    | st.builds(FilePart, data=objects)
    | st.builds(OpaquePart, origin=texts, data=objects)
)
messages = st.builds(
    Message,
    role=st.sampled_from(["system", "developer", "user", "assistant", "tool"]),
    content=texts | st.lists(parts, max_size=3).map(tuple),
    name=st.none() | texts,
    tool_calls=st.lists(st.builds(ToolCall, id=texts, name=texts, arguments=texts), max_size=2).map(tuple),
    tool_call_id=st.none() | texts,
    failed=st.booleans(),
)


@given(texts)
def test_any_text_comes_back_and_can_be_bound(text: str) -> None:
    bound = bind(text)
    assert unbind(bound) == text
    assert "\x00" not in bound
    bound.encode()


@given(st.text(st.characters(exclude_characters=f"\x00{ESCAPE}", codec="utf-8")))
def test_usual_texts_are_left_as_they_are(text: str) -> None:
    assert bind(text) == text


@given(trees)
def test_any_tree_comes_back(tree: object) -> None:
    out = dumps(tree).decode()
    assert loads(out) == tree
    assert json.loads(out) is not NotImplemented


@given(st.lists(messages, max_size=4).map(tuple))
def test_any_conversation_comes_back(conversation: tuple[Message, ...]) -> None:
    stored = messages_json(conversation).decode()
    assert messages_of(stored) == conversation
    assert texts_of(stored) == [message.text for message in conversation]


@given(st.dictionaries(texts, st.integers(), max_size=5))
def test_equal_trees_give_equal_bytes(tree: dict[str, int]) -> None:
    assert dumps(tree) == dumps(dict(reversed(tree.items())))


@pytest.mark.parametrize(
    ("value", "stored"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (None, None)]
)
def test_a_number_that_is_none_is_not_read_as_unknown(value: float | None, stored: str | None) -> None:
    assert loads(dumps({"x": [value, 0.5, None]}).decode()) == {"x": [stored, 0.5, None]}


def test_json_beyond_any_depth_is_refused() -> None:
    tree: Any = "leaf"
    for _ in range(100_000):
        tree = [tree]
    with pytest.raises(ValueError, match="nested too deeply"):
        dumps(tree)


def test_what_is_no_json_is_written_as_text() -> None:
    assert loads(dumps({"at": {1}, 2: complex(1, 2)}).decode()) == {"at": [1], "2": "(1+2j)"}


def test_options_hold_what_is_set_and_nothing_else() -> None:
    assert options_json(Prompt(messages=())) == b"{}"
    prompt = Prompt(
        messages=(),
        seed=0,
        stop=("END",),
        tools=({"type": "function"},),
        response_format=ResponseFormat(type="json_schema", schema={"type": "object"}, name="n", strict=True),
        options={"temperature": 0},
    )
    assert loads(options_json(prompt).decode()) == {
        "seed": 0,
        "stop": ["END"],
        "tools": [{"type": "function"}],
        "response_format": {"type": "json_schema", "schema": {"type": "object"}, "name": "n", "strict": True},
        "options": {"temperature": 0},
    }


def test_logprobs() -> None:
    assert logprobs_json(None) is None
    token = TokenLogprob(token="A", logprob=-0.5, top=(("A", -0.5), ("B", -math.inf)))
    assert loads(logprobs_json((token,)) or "") == [["A", -0.5, [["A", -0.5], ["B", "-Infinity"]]]]


def test_times_are_utc_of_one_width() -> None:
    assert stamp(NOON) == "2026-11-23T12:00:00.000000Z"
    east = timezone(timedelta(hours=5, minutes=30))
    assert stamp(datetime(2026, 11, 23, 17, 30, 0, 7, tzinfo=east)) == "2026-11-23T12:00:00.000007Z"
    with pytest.raises(ValueError, match="no time zone"):
        stamp(NOON.replace(tzinfo=None))
