import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.heuristics.arithmetic import Arithmetic, wrong_sums
from judges.testing import a_case, check_judge


@pytest.mark.parametrize(
    "text",
    [
        "2 + 3 * 4 = 14",
        "So $1,250.50 - $250 = $1,000.50, as expected.",
        "10 / 3 = 3.33",
        "10 / 3 = 3.34 or so",
        "2 × 3 = 6 and 8 ÷ 2 = 4",
        "140 / 3 = 46.666666666666664",
        "x + 2 = 5",
        "a1 + 1 = 3",
        "(2 + 3) * 4 = 20",
        "7 / 1/2 = 14",
        "5 + 5 = 20 / 2",
        "25% - 5% = 20%",
        "In 2019-20 = the season",
        "3 / 0 = 0",
        "1.2.3 - 4 = 5",
    ],
)
def test_a_right_sum_or_none_is_not_wrong(text: str) -> None:
    assert not any(wrong_sums(text))


@pytest.mark.parametrize(
    "text", ["2 + 2 = 5", "He has 3 * 12 = 38 eggs.", "$5 + $6.50 = $13.", "12 - 4 - 1 = 6", "10 / 4 = 3.5"]
)
def test_a_wrong_sum_is_found(text: str) -> None:
    assert any(wrong_sums(text))


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 100))
def test_the_sums_of_a_machine_are_right(one: int, other: int, off: int) -> None:
    assert list(wrong_sums(f"{one} + {other} = {one + other}")) == [False]
    assert list(wrong_sums(f"{one:,} * {other:,} = {one * other:,}")) == [False]
    assert list(wrong_sums(f"{one} + {other} = {one + other + off}")) == [True]


@pytest.mark.parametrize("text", ["1 + {} = 3", "1 + 2 = {}", "1.{0} * {0}.5 = {0}"])
def test_a_number_of_thousands_of_digits_is_not_checked(text: str) -> None:
    assert wrong_sums(text.format("7" * 5000) + " But 2 + 2 = 5.") == [True]


@given(st.text(alphabet="0123456789+-*/= .,$()x"))
def test_no_text_raises(text: str) -> None:
    list(wrong_sums(text))


async def test_the_candidate_that_can_count_is_preferred() -> None:
    verdict = await Arithmetic().judge(a_case("So 2 + 2 = 5.", "So 2 + 2 = 4.", "Four."), {})
    assert (verdict.outcome, verdict.winners) == ("tie", ("c1", "c2"))
    await check_judge(Arithmetic(), [a_case("2 + 2 = 5", "2 + 2 = 4"), a_case("a", "b")])


def test_on_recorded_answers_a_wrong_sum_mostly_means_a_wrong_answer(shared_data: Path) -> None:
    right = wrong = 0
    with gzip.open(shared_data / "routing" / "gsm8k.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            for said in json.loads(line)["models"].values():
                if any(wrong_sums(said["output"])):
                    right, wrong = right + (said["score"] == 1), wrong + (said["score"] == 0)
    assert wrong >= 20
    assert wrong >= 9 * right
