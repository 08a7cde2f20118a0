"""Equations that a text states: which can be read, and which are wrong."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judges.learning.equations import MOST, steps

RIGHT = [
    "3 * 4 = 12",
    "2 + 3 * 4 = 14",
    "(2 + 3) * 4 = 20",
    "200 / 100 \\* 40 = 80",
    r"\( 12 \times 3 = 36 \)",
    r"\frac{3}{4} \cdot 8 = 6",
    "120 × 2 = 240 and 240 ÷ 3 = 80",
    "$1,500 + $250.50 = $1,750.50",
    "5 classes x 15 students = 75 students",
    "20 apples * $2/apple = $40",
    "20% of 50 = 10",
    "40 / 50 * 100 = 80%",
    "25 cents * 4 = $1",
    "10 / 3 = 3.33",
    "11 / 3 = 4",
    "11 / 3 = 3",
    "3 - 5 = -2",
    "- 20 * 3 = 60",
    "5 * 3 = 15 (since there are 3 of them)",
    "2 * 3 + 1 = 6 + 1 = 7",
]
WRONG = [
    "3 * 4 = 13",
    "(2 + 3) * 4 = 14",
    "200 / 100 \\* 40 = 90",
    "5 * 75 + 120 = 675 + 120",
    "17 + 24 + 5 = <<17+24+5=45>>45",
    "5 classes x 15 students = 80 students",
    "20% of 50 = 20",
    "20000 - 20000 * 21/100 = 16000",
]
UNREAD = [
    "x + 2 + 8 = 22",
    "x - 4 = 116",
    "6S - 4 = 116",
    "3 + 4y = 28",
    "2^5 * 3 = 96",
    "12 = 3 * 2^2",
    "7 / 1/2 = 14",
    "4 feet + 3 inches = 51 inches",
    "2 1/2 * 4 = 10",
    "1 / 0 = 5",
    "4 dozens + 2 = 50 eggs",
    "5 + 3",
    "a total of 5 = 5",
]


@pytest.mark.parametrize("text", RIGHT)
def test_right_ones_are_read_and_right(text: str) -> None:
    found = steps(text)
    assert found
    assert not any(one.wrong for one in found)


@pytest.mark.parametrize("text", WRONG)
def test_wrong_ones_are_found(text: str) -> None:
    assert any(one.wrong for one in steps(text))


@pytest.mark.parametrize("text", UNREAD)
def test_what_is_not_plain_is_left_alone(text: str) -> None:
    assert not steps(text)


def test_an_equation_that_stands_twice_is_one() -> None:
    found = steps("4 + 4 = <<4+4=8>>8. As said, 4 + 4 = 8, so 8 * 2 = 16.")
    assert [(one.operands, one.signs, one.result) for one in found] == [((4, 4), "+", 8), ((8, 2), "*", 16)]


@settings(max_examples=50)
@given(st.text(alphabet="0123456789.,=+-*/x×$#%()^ \n\\ab"))
def test_numbers_of_any_form_raise_nothing(text: str) -> None:
    steps(text)


@pytest.mark.parametrize("unit", ["1+1=2 ", "(", "-", "1+", "7 apples/", "= 3 ", "2x "])
def test_a_hostile_text_takes_not_long(unit: str) -> None:
    begin = time.process_time()
    steps(unit * (12_000 // len(unit)))
    assert time.process_time() - begin < 1.0


def test_of_many_equations_the_first_are_read() -> None:
    assert len(steps(", ".join(f"{one}+{one}={2 * one}" for one in range(2000)))) == MOST
