from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.watching.betting import Betting

VALUES = st.lists(st.floats(0, 1), max_size=150)


def coin(mean: float, seed: int, number: int, betting: Betting) -> Betting:
    draw = Random(seed)
    for _ in range(number):
        betting.add(float(draw.random() < mean))
    return betting


def test_a_mean_at_the_floor_is_hardly_ever_said_to_fall_however_long_one_looks() -> None:
    """The error rate is 5 %: of 400 runs at the very floor at most 35 may raise it (far beyond 3 standard errors)."""
    assert sum(coin(0.7, seed, 600, Betting(0.7, 0.05)).fell for seed in range(400)) <= 35


def test_the_interval_holds_the_mean_at_all_times_at_once() -> None:
    missed = sum(coin(0.62, seed, 400, Betting(0.5, 0.05)).at_most < 0.62 for seed in range(300))
    assert missed <= 27


@pytest.mark.parametrize(("good", "labels"), [(0, 80), (100, 110), (2000, 150)])
def test_a_fall_is_seen_within_some_labels_however_long_it_was_good(good: int, labels: int) -> None:
    betting = coin(0.95, 1, good, Betting(0.7, 1e-4))
    assert not betting.fell
    assert coin(0.3, 2, labels, betting).fell


def test_a_small_fall_above_the_floor_is_none() -> None:
    assert not coin(0.75, 3, 1000, coin(0.95, 1, 200, Betting(0.7, 0.001))).fell


def test_once_fallen_it_stays_so() -> None:
    betting = coin(0.0, 0, 60, Betting(0.7, 0.001))
    assert betting.fell
    assert coin(1.0, 0, 2000, betting).fell


def test_nothing_is_known_before_the_first_value() -> None:
    betting = Betting(0.7, 0.001)
    assert (betting.n, betting.mean, betting.at_most, betting.fell) == (0, None, 1.0, False)


@given(VALUES, st.floats(0.05, 0.95))
def test_what_is_better_never_makes_it_fall_sooner(values: list[float], floor: float) -> None:
    worse, better = Betting(floor, 0.01), Betting(floor, 0.01)
    for value in values:
        worse.add(value)
        better.add(min(1.0, value + 0.1))
        assert worse.fell or not better.fell
    assert worse.at_most <= better.at_most


@given(VALUES)
def test_it_falls_exactly_where_the_interval_ends_below_the_floor(values: list[float]) -> None:
    betting = Betting(0.7, 0.01)
    for value in values:
        betting.add(value)
    assert betting.fell == (betting.at_most <= 0.7)
