import math

from hypothesis import given, settings
from hypothesis import strategies as st

from judges.learning.features import LONGEST, PAIR, WIDTH, clipped, measure, measure_pair


@settings(max_examples=50)
@given(st.text(), st.text())
def test_every_text_has_all_figures_and_they_are_finite(question: str, answer: str) -> None:
    alone, pair = measure(question), measure_pair(question, answer)
    assert (len(alone), len(pair)) == (WIDTH, PAIR)
    assert all(math.isfinite(one) for one in (*alone, *pair))


@settings(max_examples=50)
@given(st.text(alphabet="0123456789.,=+-*/$# \n"), st.text(alphabet="0123456789.,=+-*/$# \n"))
def test_numbers_of_any_form_raise_nothing(question: str, answer: str) -> None:
    assert all(math.isfinite(one) for one in measure_pair(question, answer))


def test_a_wrong_sum_is_told_from_a_right_one() -> None:
    assert measure_pair("How many?", "3 * 4 = 13") != measure_pair("How many?", "3 * 4 = 12")


def test_of_a_long_text_both_ends_are_read() -> None:
    text = "begin" + "x" * 10 * LONGEST + "end"
    assert len(clipped(text)) <= LONGEST + 1
    assert clipped(text).startswith("begin")
    assert clipped(text).endswith("end")
