import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.types import Completion, ToolCall
from judges.values import canonical, value_of, what_it_says

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def calling(*calls: tuple[str, str], text: str = "") -> Completion:
    """An answer that calls tools: (name, arguments)."""
    made = tuple(ToolCall(id=f"c{n}", name=name, arguments=told) for n, (name, told) in enumerate(calls))
    return Completion(text=text, finish_reason="tool_calls", tool_calls=made)


def saying(text: str) -> Completion:
    return Completion(text=text, finish_reason="stop")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a": 1, "b": [2]}', ' {"b":[2.0],\n"a":1e0}', True),
        ('{"a": "\\u00e9"}', '{"a": "é"}', True),
        ("[1]", "[true]", False),
        ("[1]", '["1"]', False),
        ("[1, 2]", "[2, 1]", False),
        ('{"a": null}', "{}", False),
        ("[0.1]", "[0.10]", True),
        ("[-0.0]", "[0]", True),
    ],
)
def test_json_is_compared_by_value(one: str, other: str, same: bool) -> None:
    assert (canonical(one) == canonical(other)) is same


@pytest.mark.parametrize("text", ["", "{", "[NaN]", "[1e999]", "[" * 99999, "[" + "9" * 9999 + "]", "Hello [1]"])
def test_what_is_no_json_has_no_value(text: str) -> None:
    assert canonical(text) is None
    assert what_it_says(saying(text)) == f"text {text}"


@given(values)
def test_the_spelling_never_matters(value: Any) -> None:
    assert canonical(json.dumps(value)) == canonical(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))
    assert canonical(str(canonical(json.dumps(value)))) == canonical(json.dumps(value))


def test_tool_calls_are_compared_by_name_and_value() -> None:
    same = [
        calling(("f", '{"x": 1, "y": 2}'), ("g", "")),
        calling(("g", "{}"), ("f", '{"y":2,"x":1.0}'), text="Let me look."),
    ]
    assert len({value_of(one) for one in same}) == 1
    others = [calling(("f", '{"x": 1}')), calling(("g", '{"x": 1}')), calling(("f", '{"x": 2}')), calling(("f", "{x"))]
    assert len({value_of(one) for one in others}) == 4


def test_no_text_passes_for_a_call() -> None:
    call = calling(("f", "{}"))
    assert what_it_says(saying(str(value_of(call)))) != what_it_says(call)
    assert what_it_says(saying('[["f", "{}"]]')) != what_it_says(call)


def test_a_bare_number_is_a_text() -> None:
    assert value_of(saying("42")) is None
