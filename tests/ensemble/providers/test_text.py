"""Text that crosses the border, any text at all."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.providers._text import NotJson, Secrets, from_json, mended, to_json

ANY_TEXT = st.text(st.characters(codec=None, categories=None))
"""Lone surrogates included."""
KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)


@given(st.dictionaries(ANY_TEXT, st.lists(ANY_TEXT | st.integers(-(2**53), 2**53) | st.none())))
def test_whatever_goes_out_is_json_and_comes_back_mended(document: dict[str, list[object]]) -> None:
    body, changed = to_json(document)
    assert from_json(body) == mended(document)
    assert changed == (mended(document) != document)


@pytest.mark.parametrize("length", [10, 10_000])
def test_what_goes_out_takes_no_more_memory_than_it_has_bytes(length: int) -> None:
    """It is kept while a model thinks, once for each member."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        body, _ = to_json({"content": "x" * length})
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < len(body) + 500


@given(st.binary())
def test_any_bytes_are_json_or_not(data: bytes) -> None:
    try:
        text = json.dumps(from_json(data), ensure_ascii=False)
    except NotJson:
        return
    text.encode("utf-8")


@given(ANY_TEXT)
def test_what_came_as_an_escaped_surrogate_can_be_written(text: str) -> None:
    read = from_json(json.dumps([text]).encode())
    assert isinstance(read, list)
    assert len(read[0].encode("utf-8").decode("utf-8")) <= len(text)


@given(key=KEYS, before=st.text(max_size=50), after=st.text(max_size=50))
def test_no_run_of_eight_characters_of_a_key_is_told(key: str, before: str, after: str) -> None:
    told = Secrets([key]).told(f"{before}{key}{after}")
    shown = told.replace("[secret]", "\0")
    assert not any(key[at : at + 8] in shown for at in range(len(key) - 7))


@given(ANY_TEXT)
def test_a_message_is_one_short_printable_line(text: str) -> None:
    told = Secrets(["a-secret-key"]).told(text)
    assert len(told) <= 300
    assert told.isprintable()


@pytest.mark.parametrize("text", ["Rate limit reached... please wait", "a ** b", "5 * 3", "[[A]] is better…"])
def test_ordinary_words_stay(text: str) -> None:
    assert Secrets(["sk-0123456789"]).told(text) == text


def test_a_key_that_is_hardly_one_spoils_no_message() -> None:
    assert Secrets(["on", ""]).told("once upon a time") == "once upon a time"
