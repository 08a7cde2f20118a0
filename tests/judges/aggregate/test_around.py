import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.aggregate._around import strengths_around

players = st.integers(0, 4)


@given(
    means=st.lists(st.floats(-5, 5), min_size=5, max_size=5),
    wins=st.dictionaries(st.tuples(players, players), st.floats(0, 1e4), max_size=12),
    precision=st.floats(0.01, 10),
)
def test_wins_and_prior_pull_alike_at_the_fit(
    means: list[float], wins: dict[tuple[int, int], float], precision: float
) -> None:
    """The condition of the maximum: for each player the slope of the posterior is 0."""
    strength = strengths_around(means, wins, precision=precision)
    for player in range(5):
        pull = precision * (means[player] - strength[player])
        for (i, j), count in wins.items():
            upset = count / (1 + math.exp(strength[i] - strength[j])) if i != j else 0.0
            pull += upset if i == player else -upset if j == player else 0.0
        assert pull == pytest.approx(0, abs=1e-5)


def test_without_wins_the_means_stand_and_wins_move_them() -> None:
    assert strengths_around([0.5, -1.0], {}, precision=1) == (0.5, -1.0)
    first, second = strengths_around([-1.0, 1.0], {(0, 1): 50.0}, precision=1)
    assert first > second
    assert strengths_around([], {}, precision=1) == ()


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(ValueError, match="precision"):
        strengths_around([0.0], {}, precision=0)
    with pytest.raises(ValueError, match="wins"):
        strengths_around([0.0], {(0, 1): 1.0}, precision=1)
