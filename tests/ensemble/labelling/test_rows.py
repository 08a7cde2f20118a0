import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.labelling.rows import Reject, Row, RowReader
from tests.ensemble.labelling.workshop import READER

trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "a"]), inner),
    max_leaves=8,
)
fields = st.sampled_from(
    ["prompt", "messages", "id", "reference", "schema", "domain", "metadata", "conversation", "tools", "options", "x"]
)


@given(st.dictionaries(fields, trees, max_size=6) | trees)
def test_any_row_is_understood_or_rejected_with_a_sentence(tree: object) -> None:
    found = READER.read(3, tree)
    assert found.position == 3
    if isinstance(found, Reject):
        assert found.reason
        json.dumps(found.text)


def read(**tree: object) -> Row:
    found = READER.read(1, tree)
    assert isinstance(found, Row), found
    return found


def test_a_conversation_with_tools_and_options() -> None:
    tool = {"type": "function", "function": {"name": "look"}}
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi", "name": None}]
    row = read(messages=turns, tools=[tool], options={"temperature": 0.5, "max_tokens": 9})
    assert [(turn.role, turn.text) for turn in row.prompt.messages] == [("system", "Be brief."), ("user", "Hi")]
    assert row.prompt.tools == (tool,)
    assert (row.prompt.max_output_tokens, row.prompt.options) == (9, {"temperature": 0.5})


def test_a_table_holds_json_as_text() -> None:
    turns = json.dumps([{"role": "user", "content": "Hi"}])
    row = read(messages=turns, schema='{"type": "object"}', metadata='{"a": 1}', reference="", other="b", prompt="")
    assert row.prompt.messages[0].text == "Hi"
    assert row.prompt.response_format is not None
    assert row.prompt.response_format.schema == {"type": "object"}
    assert (row.metadata, row.reference) == ({"a": 1, "other": "b"}, None)


def test_a_prompt_that_is_a_conversation_is_one() -> None:
    assert read(prompt=[{"role": "user", "content": "Hi"}]).prompt == read(prompt="Hi").prompt


def test_columns_by_other_names() -> None:
    reader = RowReader(parse=READER.parse, columns={"prompt": "question", "reference": "answer"})
    row = reader.read(4, {"question": "2 + 2?", "answer": 4, "id": 17})
    assert isinstance(row, Row)
    assert (row.row_id, row.reference, row.prompt.messages[0].text) == ("17", "4", "2 + 2?")


def test_a_row_without_a_prompt_tells_the_columns_that_it_has() -> None:
    found = READER.read(1, {"question": "2 + 2?", "reference": "4"})
    assert isinstance(found, Reject)
    assert found.reason == (
        "there is neither a prompt nor messages, but reference, question; where one of these is the prompt, "
        "say so with --column prompt=NAME (or messages=NAME)"
    )
    wide = READER.read(1, {f"{n:02}{'x' * 90}": n for n in range(40)})
    assert isinstance(wide, Reject)
    assert ", ...; where" in wide.reason
    assert len(wide.reason) < 700, "as much as the summary shows"
    fixed = RowReader(parse=READER.parse, renames=False).read(1, {"question": "2 + 2?"})
    assert isinstance(fixed, Reject)
    assert fixed.reason == "there is neither a prompt nor messages, but question"


def test_a_prompt_that_repeats_the_last_turn_is_no_second_one() -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    row = read(messages=turns, prompt="Hi", options={"max_tokens": 9})
    assert [turn.text for turn in row.prompt.messages] == ["Be brief.", "Hi"]


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        ({}, "there is neither a prompt nor messages"),
        ({"prompt": "a", "messages": [{"role": "user", "content": "b"}]}, "give prompt or messages, not both"),
        ({"prompt": "a", "messages": []}, "give prompt or messages, not both"),
        ({"messages": []}, "messages: "),
        ({"messages": "[{"}, "messages: it is not JSON"),
        ({"prompt": "\ud800"}, "half a surrogate"),
        ({"prompt": 5}, "prompt: it must be a text or a list of messages"),
        ({"prompt": "a", "metadata": 3}, "metadata: it must be an object"),
        ({"prompt": "a", "reference": ["b"]}, "reference: it must be a text"),
        ({"prompt": "a", "schema": "[]"}, "schema: it must be an object"),
        ({"prompt": "a", "schema": {"type": "text"}}, "schema: no usable JSON Schema: type: it must be array"),
        ({"prompt": "a", "options": {"temperature": 9}}, "temperature: "),
    ],
)
def test_what_is_wrong_is_said(tree: object, reason: str) -> None:
    found = READER.read(1, tree)
    assert isinstance(found, Reject)
    assert reason in found.reason
