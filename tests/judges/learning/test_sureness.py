import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.learning.sureness import LEAST, WIDTH, sureness
from judges.types import TokenLogprob

FIRST = [("First", -0.5), (" 9", -3.0), (".\n", -0.1)]
SAID = [*FIRST, ("So", -0.2), (" it", -0.4), (" is", -0.2), (" 4", -1.0), ("2.", -2.0)]


def told(tokens: list[tuple[str, float]]) -> tuple[TokenLogprob, ...]:
    return tuple(TokenLogprob(token=token, logprob=logprob) for token, logprob in tokens)


def test_the_figures_of_an_answer() -> None:
    known, mean, least, tenth, line, number = sureness(told(SAID))
    assert known == 1
    assert math.exp(-mean) == pytest.approx(math.exp(7.4 / 8)), "the perplexity"
    assert (least, tenth) == (-3.0, -3.0)
    assert line == pytest.approx(-3.8 / 5)
    assert number == -2.0, "of the tokens that spell 42, not of the 9 before"


def test_without_a_number_the_last_line_stands_for_it() -> None:
    assert sureness(told([("No", -3.0), ("\n", -0.1), ("Paris", -0.7), ("\n", -4.0)]))[4:] == (-0.7, -0.7)


def test_a_low_quantile_forgives_one_strange_word() -> None:
    assert sureness(told([("word ", -0.1)] * 19 + [("odd", -9.0)]))[2:4] == (-9.0, -0.1)


@pytest.mark.parametrize("logprobs", [None, ()])
def test_unknown_is_told_apart_from_sure(logprobs: tuple[TokenLogprob, ...] | None) -> None:
    assert sureness(logprobs) == (0.0,) * WIDTH
    assert sureness(told([("yes", 0.0)]))[0] == 1


@given(st.lists(st.tuples(st.text(max_size=6), st.floats()), min_size=1, max_size=30))
def test_whatever_a_provider_sends_is_bounded(tokens: list[tuple[str, float]]) -> None:
    known, *figures = sureness(told(tokens))
    assert known == 1
    assert len(figures) == WIDTH - 1
    assert all(LEAST <= one <= 0 for one in figures)
