import numpy as np
import pytest

from ensemble.training.accuracy import (
    accuracy,
    best_single,
    cheapest,
    cheapest_is_best,
    cheapest_of_best,
    confusion,
    costs,
    regrets,
    right,
)
from tests.ensemble.training.tables import a_table

QUALITY = [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0]]


def test_rows_count_as_the_reading_says() -> None:
    table = a_table(QUALITY)
    assert right(table, "ties_right")[0].tolist() == [True, True, True, False]
    assert right(table, "informative")[0].tolist() == [True, True, False, False]
    assert cheapest_of_best(table).tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 0, 0]]


def test_rows_where_all_was_bad_never_vote() -> None:
    table = a_table(QUALITY, usable=np.array([True, False, True, True]))
    assert right(table, "ties_right")[0].tolist() == [True, False, True, False]


def test_people_who_give_no_scores_can_be_right_too() -> None:
    best = np.array([[True, False], [True, True]])
    table = a_table(np.full((2, 2), np.nan), best=best)
    assert right(table, "informative")[0].tolist() == [True, False]
    assert accuracy(table, np.array([0, 1]), "ties_right").value.point == 1.0


def test_of_equally_cheap_winners_the_better_one_on_the_whole_is_right() -> None:
    table = a_table([[1.0, 1.0], [0.0, 1.0]], [1, 1])
    assert cheapest_of_best(table).tolist() == [[False, True], [False, True]]


def test_an_unknown_cost_is_the_mean_of_the_known_and_never_zero() -> None:
    table = a_table([[1.0, 1.0]] * 2, [[np.nan, 5.0], [9.0, 5.0]])
    assert costs(table)[:, 0].tolist() == [9.0, 9.0]
    unpriced = a_table([[1.0, 1.0]] * 2, [[np.nan, 5.0]] * 2)
    assert np.isinf(costs(unpriced)[:, 0]).all()
    assert cheapest(unpriced) == 1
    assert cheapest_of_best(a_table([[1.0, 0.0]], [[np.nan, 5.0]])).tolist() == [[True, False]]


def test_constants_stand_beside_the_choice() -> None:
    table = a_table(QUALITY)
    assert (best_single(table), cheapest(table)) == (0, 0)
    found = accuracy(table, np.array([0, 2, 0, 0]), "informative")
    assert (found.rows, found.value.point, found.constant) == (2, 1.0, "a")
    assert (found.constant_value.point, found.margin.point) == (0.5, 0.5)


def test_shares_are_right_by_their_part() -> None:
    table = a_table(QUALITY)
    random = np.full((4, 3), 1 / 3)
    assert accuracy(table, random, "ties_right").value.point == pytest.approx((2 / 3 + 1 / 3 + 1) / 3)
    assert regrets(table, random).tolist() == pytest.approx([1 / 3, 2 / 3, 0.0, 0.0])


def test_the_cheapest_is_among_the_best_where_it_is() -> None:
    assert np.nan_to_num(cheapest_is_best(a_table(QUALITY)), nan=-1).tolist() == [1.0, 0.0, 1.0, -1.0]


def test_confusion_counts_truth_down_and_picks_across() -> None:
    assert confusion(a_table(QUALITY), np.array([1, 2, 0, 0])).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
