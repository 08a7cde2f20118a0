import math
import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.aggregate._strengths import bradley_terry

PLANTED = (-1.5, -0.5, 0.0, 0.5, 1.5)


def probability(one: float, other: float) -> float:
    return 1 / (1 + math.exp(other - one))


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=7))
def test_planted_strengths_are_recovered_from_expected_wins(planted: list[float]) -> None:
    wins = {
        (i, j): 1e6 * probability(planted[i], planted[j])
        for i in range(len(planted))
        for j in range(len(planted))
        if i != j
    }
    fitted = bradley_terry(len(planted), wins, ridge=1e-3)
    mean = sum(planted) / len(planted)
    assert fitted.strength == pytest.approx([one - mean for one in planted], abs=1e-3)


def test_planted_strengths_lie_within_their_errors() -> None:
    rng = random.Random(7)
    inside = total = 0
    for _ in range(40):
        wins: dict[tuple[int, int], float] = {}
        for i, j in combinations(range(len(PLANTED)), 2):
            for _ in range(30):
                pair = (i, j) if rng.random() < probability(PLANTED[i], PLANTED[j]) else (j, i)
                wins[pair] = wins.get(pair, 0.0) + 1
        fitted = bradley_terry(len(PLANTED), wins)
        gap = fitted.strength[4] - fitted.strength[0]
        inside += abs(gap - 3.0) < 1.96 * math.hypot(fitted.error[4], fitted.error[0])
        total += 1
    assert inside / total > 0.85


@given(
    st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 5)), st.floats(0, 1e4), max_size=20),
    st.permutations(range(6)),
)
def test_renumbered_players_get_their_strengths(wins: dict[tuple[int, int], float], order: list[int]) -> None:
    fitted = bradley_terry(6, wins)
    other = bradley_terry(6, {(order[i], order[j]): count for (i, j), count in wins.items()})
    assert [other.strength[order[i]] for i in range(6)] == pytest.approx(fitted.strength, abs=1e-6)
    assert all(map(math.isfinite, (*fitted.strength, *fitted.error)))


def test_one_who_never_lost_stays_finite_and_one_who_never_played_is_average() -> None:
    fitted = bradley_terry(3, {(0, 1): 1000.0})
    assert 0 < fitted.strength[0] < 20
    assert fitted.strength[2] == 0
    assert fitted.error[2] > fitted.error[0]


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(ValueError, match="ridge"):
        bradley_terry(2, {}, ridge=0)
    with pytest.raises(ValueError, match="wins"):
        bradley_terry(2, {(0, 2): 1.0})
