"""Texts of a record on their way to a page."""

import json

from hypothesis import given
from hypothesis import strategies as st

from ensemble.audit.case.texts import MOST, calls, shown, turns

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(TREES, max_size=3))
def test_json_that_is_laid_out_says_the_same(tree: object) -> None:
    found = shown(json.dumps(tree))
    assert found.json
    assert json.loads(found.text) == tree


def test_json_keeps_what_a_parser_would_lose() -> None:
    assert shown('{"a": 1.00, "a": 1e400}').text == '{\n  "a": 1.00,\n  "a": 1e400\n}'


def test_deep_nesting_does_not_blow_up() -> None:
    """Each level indents all that it holds: 50,000 lines at depth 900 would be 90 MB."""
    deep = "[" * 900 + ",".join("1" * 40_000) + "]" * 900
    assert len(shown(deep).text) == MOST
    assert not shown("[" * 40_000 + "]" * 40_000).json


def test_a_long_text_is_cut_and_says_so() -> None:
    found = shown("x" * 2_000_000)
    assert (len(found.text), found.characters, found.cut) == (MOST, 2_000_000, True)
    assert not shown("x" * MOST).cut


def test_images_and_files_are_told_of_and_states_of_providers_hidden() -> None:
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image", "url": "https://example.org/cat.png", "detail": None},
        {"type": "image", "url": f"data:image/png;base64,{'A' * 5000}", "detail": None},
        {"type": "file", "data": {"file_data": "secret", "filename": "a.pdf"}},
        {"type": "opaque", "origin": "alpha", "data": {"thinking": "hidden"}},
    ]
    (turn,) = turns([{"role": "user", "content": parts}])
    told = [block.title for block in turn.blocks]
    assert told[1] == "image (not loaded): https://example.org/cat.png"
    assert told[2] == "image (not loaded): data:image/png;base64, 5,022 characters"
    assert told[3] == "file (not loaded), sent as file_data, filename"
    assert "alpha" not in str(turn)
    assert "hidden" not in str(turn)


def test_calls_of_tools_are_laid_out_without_their_ids() -> None:
    (call,) = calls([{"id": "toolu_01", "name": "weather", "arguments": '{"city":"Oslo"}'}], "candidates/c")
    assert (call.title, call.text and call.text.text) == ("weather", '{\n  "city": "Oslo"\n}')
    assert "toolu" not in str(call)
    (broken,) = calls([{"id": "1", "name": "weather", "arguments": '{"city":'}], "candidates/c")
    assert broken.text is not None
    assert broken.text.text == '{"city":'


def test_a_conversation_of_any_length_is_shown_from_its_end() -> None:
    messages = [{"role": "user", "content": "x" * 50_000} for _ in range(100)]
    found = turns(messages)
    sizes = [len(turn.blocks[0].text.text) for turn in found if turn.blocks[0].text]
    assert sizes == [200] * 90 + [20_000] * 10
    assert [turn.blocks[0].text and turn.blocks[0].text.at for turn in found[:2]] == [
        "messages/0/content",
        "messages/1/content",
    ]
