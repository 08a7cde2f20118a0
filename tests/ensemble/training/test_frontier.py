import numpy as np
import pytest

from ensemble.training.accuracy import mean_costs
from ensemble.training.frontier import choose, lambdas, sweep, trivial
from tests.ensemble.training.tables import a_random_table, a_table


def test_lambda_moves_choices_from_quality_to_cost() -> None:
    predicted, cost = np.array([[0.5, 0.9], [0.5, 0.6]]), np.array([1.0, 11.0])
    assert choose(predicted, cost, 0.0).argmax(axis=1).tolist() == [1, 1]
    assert choose(predicted, cost, 0.02).argmax(axis=1).tolist() == [1, 0]
    assert choose(predicted, cost, 1.0).argmax(axis=1).tolist() == [0, 0]


def test_ties_go_to_the_cheaper_and_between_equals_to_all_alike() -> None:
    assert choose(np.array([[0.5, 0.5, 0.5]]), np.array([2.0, 1.0, 1.0]), 0.0).tolist() == [[0.0, 0.5, 0.5]]


def test_a_member_without_a_prediction_or_a_price_is_not_taken() -> None:
    assert choose(np.array([[np.nan, 0.1]]), np.array([1.0, 2.0]), 0.0).tolist() == [[0.0, 1.0]]
    assert choose(np.array([[0.9, 0.1]]), np.array([np.inf, 2.0]), 0.1).tolist() == [[0.0, 1.0]]


def test_the_sweep_runs_from_the_best_to_the_cheapest() -> None:
    table = a_random_table(80, 3, seed=4)
    found = sweep(table, table.quality)
    cost, quality = (values[0] for values in found.points(np.ones((1, 80))))
    assert (np.diff(cost) <= 1e-9).all()
    assert quality[0] == pytest.approx(table.quality.max(axis=1).mean())
    assert cost[-1] == pytest.approx(mean_costs(table).min())
    assert lambdas(np.full((3, 2), 0.5), np.array([1.0, 2.0])).tolist() == [0.0]


def test_a_member_alone_is_a_point_of_the_trivial_frontier() -> None:
    cost, quality = trivial(a_table([[0.0, 1.0], [1.0, 1.0]]), ["b"])
    assert (cost.tolist(), quality.tolist()) == ([2.0], [1.0])


def test_a_frontier_needs_every_quality() -> None:
    with pytest.raises(ValueError, match="1 rows lack"):
        sweep(a_table([[np.nan, 1.0]]), np.zeros((1, 2)))
