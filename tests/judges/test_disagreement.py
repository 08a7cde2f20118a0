"""The index of disagreement: what moves it, and its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.disagreement import disagreement
from judges.types import CandidateId, Completion, Preference

A, B, C = (CandidateId(name) for name in "abc")
ASKED = "What is 17 x 24?"


def said(*texts: str) -> dict[CandidateId, Completion]:
    return {one: Completion(text=text, finish_reason="stop") for one, text in zip((A, B, C), texts, strict=False)}


def test_equal_answers_in_other_words_do_not_differ() -> None:
    found = disagreement(said("The answer is 408.", "I multiply. So the answer is 408"), ASKED)
    assert (found.spread, found.index) == (0, 0)
    assert found.similarity is not None
    assert found.similarity < 1


def test_answers_that_differ_in_one_figure_differ() -> None:
    found = disagreement(said("The answer is 408.", "The answer is 409."), ASKED)
    assert (found.spread, found.index) == (1, 1)


def test_texts_tell_where_no_answer_can_be_told() -> None:
    alike = "It scatters, since the molecules are small beside the wave.\nSo it is blue to us from below."
    other = "Nobody knows for sure, and whoever says so guesses.\nAsk somebody else about this matter."
    near, far = disagreement(said(alike, alike + " Truly."), "Why?"), disagreement(said(alike, other), "Why?")
    assert (near.spread, far.spread) == (None, None)
    assert near.index is not None
    assert far.index is not None
    assert near.index < 0.1 < far.index


def test_what_the_judge_saw_counts() -> None:
    texts = said("The answer is 408.", "The answer is 408.", "The answer is 409.")
    plain = disagreement(texts, ASKED).index
    clear = disagreement(texts, ASKED, winners=(A, B), scores={A: 0.9, B: 0.9, C: 0.1})
    assert clear.margin == pytest.approx(0.8)
    flipped = [Preference(shown=(A, C), outcome="first"), Preference(shown=(C, A), outcome="first")]
    doubtful = disagreement(texts, ASKED, winners=(A,), preferences=flipped)
    refused = disagreement(texts, ASKED, set_aside=1)
    assert doubtful.flips == 1
    assert refused.conflicts == pytest.approx(2 / 3)
    assert plain is not None
    assert all((one.index or 0) >= plain for one in (clear, doubtful, refused))
    assert disagreement(texts, ASKED, winners=(A, B, C), scores={A: 0.5, B: 0.5, C: 0.5}).margin == 0


def test_one_candidate_differs_from_nobody() -> None:
    assert disagreement(said("The answer is 408."), ASKED).index is None


@given(st.lists(st.text(max_size=60), min_size=2, max_size=3), st.integers(0, 3), st.floats(0, 1), st.floats(0, 1))
def test_everything_lies_between_0_and_1(texts: list[str], aside: int, one: float, other: float) -> None:
    found = disagreement(said(*texts), ASKED, winners=(A,), scores={A: one, B: other}, set_aside=aside)
    signs = (found.index, found.spread, found.similarity, found.margin, found.flips, found.conflicts)
    assert all(sign is None or 0 <= sign <= 1 for sign in signs)
    assert found.index is not None
