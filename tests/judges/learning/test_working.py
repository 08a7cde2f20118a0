"""What the working of an answer tells: its sums, what it used, and what became of its results."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from judges.learning.features import PAIR, measure_pair
from judges.learning.working import WIDTH, measure_working

QUESTION = "Ann has 3 boxes of 12 pens, half of them blue. She gives 5 pens away. How many pens are left?"
GOOD = "Ann has 3 * 12 = 36 pens.\nShe keeps 36 - 5 = 31 of them.\n#### 31"
NAMES = (
    *("steps", "wrong", "all_right", "loose", "loose_share", "idle", "idle_share", "unused", "unused_share"),
    *("unused_words", "depth", "surplus", "ends_in_last", "ends_in_one", "no_end", "negative", "breaks_off"),
)


def told(answer: str, question: str = QUESTION) -> dict[str, float]:
    """The figures by name."""
    return dict(zip(NAMES, measure_working(question, answer), strict=True))


def test_an_answer_that_carries_its_results_on() -> None:
    found = told(GOOD)
    assert found["steps"] == math.sqrt(2)
    assert found["depth"] == 2
    assert found["all_right"] == found["ends_in_last"] == found["ends_in_one"] == 1
    idle = ("wrong", "loose", "idle", "unused", "no_end", "negative", "breaks_off")
    assert not any(found[name] for name in idle)
    assert found["unused_words"] == 1  # half of them


def test_a_chain_with_a_slip_is_wrong() -> None:
    assert told("3 * 12 + 5 = 46 + 5 = 51\n#### 51")["wrong"] == 1


def test_a_number_that_nobody_gave_is_loose() -> None:
    assert told("3 * 17 = 51\n#### 51")["loose"] == 1
    assert told("50% of 12 is half: 0.5 * 12 = 6, 6 * 3 = 18\n#### 18")["loose"] == 0


def test_a_result_that_is_not_taken_up_is_idle() -> None:
    assert told("3 * 12 = 36\n12 - 5 = 7\n#### 7")["idle"] == 1


def test_a_number_of_the_question_that_no_sum_takes_is_unused() -> None:
    assert told("3 * 12 = 36\n#### 36")["unused"] == 1


def test_what_it_comes_to_is_held_against_its_results() -> None:
    assert told("3 * 12 = 36\n36 - 5 = 31\n#### 36")["ends_in_last"] == 0
    assert told("3 * 12 = 36\n36 - 5 = 31\n#### 36")["ends_in_one"] == 1
    assert told(r"3 * 12 = 36, 36 - 5 = 31, so \boxed{31}")["ends_in_last"] == 1
    assert told("3 * 12 = 36\n36 - 5 = 31\nThe answer is 31 pens.")["ends_in_last"] == 1
    assert told("3 * 12 = 36\nMore I cannot say.")["no_end"] == 1


def test_without_any_working_the_question_is_not_told_again() -> None:
    assert not any(told("It is 31.").values())
    assert [name for name, figure in told("It is").items() if figure] == ["breaks_off"]


def test_an_answer_that_breaks_off_is_told_from_a_whole_one() -> None:
    assert told("3 * 12 = 36\nShe then gives")["breaks_off"] == 1
    assert told("3 * 12 = 36\nShe then gives 5 away.")["breaks_off"] == 0


@settings(max_examples=50)
@given(st.text(), st.text())
def test_every_text_has_all_figures_and_they_are_finite(question: str, answer: str) -> None:
    found = measure_working(question, answer)
    assert len(found) == WIDTH
    assert all(map(math.isfinite, found))


def test_a_scorer_sees_them() -> None:
    assert measure_pair(QUESTION, GOOD)[-WIDTH:] == measure_working(QUESTION, GOOD)
    assert len(measure_pair(QUESTION, GOOD)) == PAIR
