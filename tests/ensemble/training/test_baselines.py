import numpy as np
import pytest

from ensemble.training.accuracy import accuracy
from ensemble.training.baselines import baselines, length_quality, lengths
from ensemble.training.splits import by_group
from tests.ensemble.training.examples import a_hold
from tests.ensemble.training.tables import a_table


def test_length_learns_nothing_from_the_request_that_it_predicts() -> None:
    """What the router knows of a request must not change with the answers to it."""
    table = a_hold(60).table
    before = length_quality(table)
    for row in range(0, 60, 7):
        quality = table.quality.copy()
        quality[row] = 1 - quality[row]
        after = length_quality(a_table(quality, texts=table.texts, groups=table.groups))
        assert after[row].tolist() == before[row].tolist()


def test_length_learns_what_the_others_tell() -> None:
    table = a_hold(400).table
    predicted, long = length_quality(table), lengths(table) > 100
    assert predicted[long, 0].mean() == pytest.approx(table.quality[long, 0].mean(), abs=0.05)
    assert predicted[~long, 0].mean() > predicted[long, 0].mean() + 0.4


def test_length_learns_on_what_a_router_was_not_trained_on() -> None:
    whole = a_hold(1500).table
    table = whole.take(by_group(whole)[1])  # what ``train`` holds back, by the same seed
    predicted, long = length_quality(table), lengths(table) > 100
    assert predicted[~long, 0].mean() > predicted[long, 0].mean() + 0.4


def test_each_baseline_is_what_its_name_says() -> None:
    table = a_table([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    found = baselines(table)
    assert found["random"].tolist() == [[0.5, 0.5]] * 3
    assert found["cheapest"].tolist() == [[1.0, 0.0]] * 3
    assert found["best single"].tolist() == [[0.0, 1.0]] * 3
    assert found["oracle"].tolist() == [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]  # the cheapest where nobody is right
    assert accuracy(table, found["oracle"], "cheapest_best").value.point == 1.0


def test_rows_of_one_length_are_predicted_alike() -> None:
    table = a_table(np.ones((30, 2)), texts=("same",) * 30)
    assert (length_quality(table) == 1.0).all()
