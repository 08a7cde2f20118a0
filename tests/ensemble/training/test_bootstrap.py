import numpy as np
import pytest

from ensemble.training.bootstrap import draws, interval, mean, ratio


def test_groups_are_drawn_whole() -> None:
    groups = ["a", "b", "a", "c", "b"]
    (weights,) = draws(groups, number=200)
    assert weights.shape == (200, 5)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_an_interval_of_a_mean_is_that_of_the_textbook() -> None:
    values = np.random.default_rng(3).normal(0.5, 0.1, 400)
    found = interval(mean(values), [str(row) for row in range(400)], number=2000)
    half = 1.96 * values.std() / 20
    assert found.point == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_rows_of_one_group_are_not_independent() -> None:
    values = np.repeat(np.random.default_rng(3).normal(0.5, 0.1, 50), 8)
    alone = interval(mean(values), [str(row) for row in range(400)])
    together = interval(mean(values), [str(row // 8) for row in range(400)])
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    random, hits = np.random.default_rng(5), 0
    for _ in range(200):
        found = interval(mean(random.random(60)), [str(row) for row in range(60)], number=300)
        hits += found.low <= 0.5 <= found.high
    assert 0.9 <= hits / 200 <= 0.99


def test_the_same_seed_gives_the_same_interval() -> None:
    values, groups = np.arange(20.0), [str(row) for row in range(20)]
    assert interval(mean(values), groups) == interval(mean(values), groups)
    assert interval(mean(values), groups) != interval(mean(values), groups, seed=1)


def test_what_is_unknown_is_left_out_and_never_zero() -> None:
    values = np.array([1.0, np.nan, 3.0])
    assert interval(mean(values), ["a", "b", "c"]).point == 2.0
    assert interval(ratio(values, np.array([2.0, 5.0, np.nan])), ["a", "b", "c"]).point == 0.5


@pytest.mark.parametrize(("values", "groups"), [([], []), ([1.0], ["a"]), ([np.nan, np.nan], ["a", "b"])])
def test_where_there_is_too_little_there_is_no_interval(values: list[float], groups: list[str]) -> None:
    found = interval(mean(np.array(values)), groups)
    assert np.isnan(found.low)
    assert np.isnan(found.high)
