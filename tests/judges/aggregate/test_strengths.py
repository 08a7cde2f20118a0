import math
import random
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.aggregate._strengths import bradley_terry, errors_by_case, won
from judges.types import CandidateId, Preference

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
    assert fitted.strength[2] == pytest.approx(0, abs=1e-9)
    assert fitted.error[2] > fitted.error[0]


@pytest.mark.parametrize(("won", "lost"), [(1.0, 0.0), (0.75, 0.25), (1000.0, 1.0)])
def test_two_players_get_the_log_odds_of_their_wins(won: float, lost: float) -> None:
    """The closed form: half a tie more for each, and the error of a log-odds, shared by the two."""
    fitted = bradley_terry(2, {(0, 1): won, (1, 0): lost}, ridge=0.1)
    assert fitted.strength[0] - fitted.strength[1] == pytest.approx(math.log((won + 0.05) / (lost + 0.05)))
    assert 2 * fitted.error[0] == pytest.approx(math.sqrt(1 / (won + 0.05) + 1 / (lost + 0.05)))


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 4), st.integers(0, 4)), st.floats(-6, 6).map(lambda power: 10**power), max_size=15
    )
)
def test_a_fit_is_where_wins_are_as_expected(wins: dict[tuple[int, int], float]) -> None:
    """The condition of the maximum, also on one-sided counts: each player won as often as the strengths say."""
    fitted = bradley_terry(5, wins, ridge=0.2)
    counts = {(i, j): wins.get((i, j), 0.0) + 0.1 for i in range(5) for j in range(5) if i != j}
    for i in range(5):
        met = [j for j in range(5) if j != i]
        won = sum(counts[i, j] for j in met)
        expected = sum((counts[i, j] + counts[j, i]) * probability(fitted.strength[i], fitted.strength[j]) for j in met)
        assert expected == pytest.approx(won, rel=1e-6, abs=1e-6)


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(ValueError, match="ridge"):
        bradley_terry(2, {}, ridge=0)
    with pytest.raises(ValueError, match="wins"):
        bradley_terry(2, {(0, 2): 1.0})


@pytest.mark.parametrize(
    ("outcome", "strength", "share"),
    [
        ("first", None, 1.0),
        ("first", 1.0, 1.0),
        ("first", 0.5, 0.75),
        ("second", 0.5, 0.25),
        ("second", None, 0.0),
        ("tie", None, 0.5),
        ("none", None, None),
    ],
)
def test_a_comparison_counts_by_its_strength(outcome: Any, strength: float | None, share: float | None) -> None:
    one, other = CandidateId("a"), CandidateId("b")
    assert won(Preference(shown=(one, other), outcome=outcome, strength=strength)) == share


def test_comparisons_of_one_case_are_not_taken_for_independent() -> None:
    """Scores with noise shared by all pairs of a case: the errors by case are the spread over repetitions."""
    rng = random.Random(3)
    fitted, plain, by_case = [], [], []
    for _ in range(150):
        rows: list[tuple[int, int, int, float]] = []
        wins: dict[tuple[int, int], float] = {}
        for case in range(60):
            scores = [strength + rng.gauss(0, 1.5) for strength in PLANTED]
            for i, j in combinations(range(len(PLANTED)), 2):
                share = float(scores[i] > scores[j])
                rows.append((case, i, j, share))
                wins[i, j] = wins.get((i, j), 0.0) + share
                wins[j, i] = wins.get((j, i), 0.0) + 1 - share
        found = bradley_terry(len(PLANTED), wins)
        fitted.append(found.strength[2])
        plain.append(found.error[2])
        by_case.append(errors_by_case(found, rows)[2])
    spread = (sum(one * one for one in fitted) / len(fitted)) ** 0.5
    assert sum(by_case) / len(by_case) == pytest.approx(spread, rel=0.15)
    assert sum(plain) / len(plain) < 0.85 * spread


def test_errors_by_case_of_nothing_are_unknown() -> None:
    assert errors_by_case(bradley_terry(2, {}), []) == (math.inf, math.inf)
    assert errors_by_case(bradley_terry(1, {}), [(0, 0, 0, 1.0)]) == (math.inf,)
