"""Differences between two texts, word by word."""

from hypothesis import example, given
from hypothesis import strategies as st

from ensemble.audit.case.wording import MOST_WORDS, Piece, wording

WORDS = st.lists(st.sampled_from(["sky", "blue", "the", "ocean", "\n", ",", " ", "  ", "空", "é"]), max_size=40)
TEXTS = st.one_of(WORDS.map("".join), WORDS.map(" ".join), st.text(max_size=80))


def without(text: str) -> str:
    return "".join(text.split())


@given(TEXTS, TEXTS)
@example("\0", "0 ")
def test_nothing_of_either_text_is_lost(text: str, against: str) -> None:
    found = wording(text, against)
    assert "".join(piece.text for piece in found.pieces if piece.mark != "removed") == text
    if any(piece.mark == "removed" for piece in found.pieces):
        assert without("".join(piece.text for piece in found.pieces if piece.mark != "added")) == without(against)


@given(TEXTS)
def test_a_text_does_not_differ_from_itself(text: str) -> None:
    assert {piece.mark for piece in wording(text, text).pieces} <= {"same"}


def test_words_are_compared_and_not_characters() -> None:
    found = wording("The sky looks blue.", "The sky is  blue.")
    assert found.pieces == (
        Piece("same", "The sky"),
        Piece("removed", " is"),
        Piece("added", " looks"),
        Piece("same", " blue."),
    )
    assert found.shared == 0.8
    assert found.whole


def test_scripts_without_spaces_are_compared_sign_by_sign() -> None:
    found = wording("天空是蓝色的", "天空是红色的")
    assert Piece("added", "蓝") in found.pieces
    assert Piece("same", "天空是") in found.pieces


def test_where_little_is_in_common_nothing_is_marked() -> None:
    found = wording("one two three four", "five six seven four eight nine ten")
    assert found.pieces == (Piece("same", "one two three four"),)
    assert found.shared is not None
    assert (found.shared < 0.5, found.marked) == (True, False)


def test_with_nothing_to_compare_with_the_text_stays_whole() -> None:
    assert wording("alone", None).pieces == (Piece("same", "alone"),)
    assert wording("alone", None).shared is None


def test_a_long_text_is_compared_at_its_beginning_alone() -> None:
    """Time and memory grow with the product of the lengths, so 2 MB must never be compared whole."""
    long = "word " * 400_000
    found = wording(f"{long}end", f"{long}finish")
    assert not found.whole
    assert found.pieces[-1].mark == "rest"
    assert len(found.pieces[0].text) <= 5 * MOST_WORDS
    assert "".join(piece.text for piece in found.pieces) == f"{long}end"
