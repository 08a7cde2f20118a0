"""The frontier of one router: predicted quality minus lambda times cost, for every lambda that changes a choice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ensemble.training.accuracy import best_single, costs, mean_costs, taken
from ensemble.training.bootstrap import Statistic
from ensemble.training.curves import aiq, aiq_code, reach
from ensemble.training.table import BoolArray, FloatArray, Table

POINTS = 64
"""Values of lambda between the extremes: quantiles of those at which some request changes its member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """L points of a frontier over n requests.

    Attributes:
        lambdas: (L,), quality given up per nano-USD, in rising order.
        quality: (L, n), what each request gets.
        cost: (L, n), nano-USD.
        best: (n,) quality of the best single member, chosen on all rows, and ``best_cost`` its cost.
    """

    lambdas: FloatArray
    quality: FloatArray
    cost: FloatArray
    best: FloatArray
    best_cost: FloatArray

    def points(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean cost and quality (b, L) for row weights (b, n)."""
        total = weights.sum(axis=1, keepdims=True)
        return weights @ self.cost.T / total, weights @ self.quality.T / total


def choose(predicted: FloatArray, cost: FloatArray, lam: float) -> FloatArray:
    """Shares (n, m) of the members with the highest ``predicted - lam * cost``; of equals the cheaper, then all alike.

    ``cost`` is expected cost, (m,) or (n, m). A member with a prediction of NaN or an infinite cost is never taken
    where another one can be.
    """
    price = np.broadcast_to(cost, predicted.shape)
    out = np.isnan(predicted) | (np.isinf(price) & (lam > 0))
    value = np.where(out, -np.inf, predicted - (lam * price if lam > 0 else 0.0))
    first = value == value.max(axis=1, keepdims=True, initial=-np.inf)
    price = np.where(first, price, np.inf)
    least: BoolArray = first & (price == price.min(axis=1, keepdims=True, initial=np.inf))
    out_of: FloatArray = least / least.sum(axis=1, keepdims=True)
    return out_of


def lambdas(predicted: FloatArray, cost: FloatArray, number: int = POINTS) -> FloatArray:
    """0, quantiles of the values at which a request passes to a cheaper member, and one above them all."""
    price = np.broadcast_to(cost, predicted.shape)
    found: list[FloatArray] = []
    for one in range(predicted.shape[1]):
        gain = predicted[:, [one]] - predicted
        with np.errstate(invalid="ignore"):
            more = price[:, [one]] - price
        here = (gain > 0) & (more > 0) & np.isfinite(more)
        found.append(gain[here] / more[here])
    critical = np.concatenate(found) if found else np.empty(0)
    if not critical.size:
        return np.zeros(1)
    inner = np.quantile(critical, np.linspace(0, 1, number))
    return np.unique(np.concatenate([[0.0], inner, [critical.max() * 2]]))


def sweep(table: Table, predicted: FloatArray, expected: FloatArray | None = None) -> Sweep:
    """The frontier of predictions (n, m) on rows whose qualities are all known.

    ``expected`` is the cost that the router reckons with, (m,) or (n, m) nano-USD; left out, each member's mean. The
    cost that is counted is that of each answer.

    Raises:
        ValueError: a quality in the table is unknown.
    """
    if not table.known.all():
        raise ValueError(f"quality: {int((~table.known).sum())} rows lack that of a member; take the known rows")
    price = mean_costs(table) if expected is None else expected
    grid = lambdas(predicted, price)
    real = costs(table)
    quality, cost = np.empty((len(grid), len(table))), np.empty((len(grid), len(table)))
    for place, lam in enumerate(grid):
        part = choose(predicted, price, float(lam))
        quality[place], cost[place] = taken(table.quality, part), taken(real, part)
    top = best_single(table)
    return Sweep(lambdas=grid, quality=quality, cost=cost, best=table.quality[:, top], best_cost=real[:, top])


def sweep_saving(found: Sweep, level: float) -> Statistic:
    """Least cost of the frontier at ``level`` of the best single member's quality: what is saved of that one's cost."""

    def statistic(weights: FloatArray) -> FloatArray:
        total = weights.sum(axis=1)
        targets, limits = level * (weights @ found.best) / total, weights @ found.best_cost / total
        lines = zip(*found.points(weights), targets, limits, strict=True)
        return np.array([_saved(cost, quality, target, limit) for cost, quality, target, limit in lines])

    return statistic


def sweep_aiq(found: Sweep, low: float, high: float, *, code: bool = False) -> Statistic:
    """AIQ of the frontier, in the paper's form over ``low`` to ``high`` nano-USD, or in that of the code."""

    def statistic(weights: FloatArray) -> FloatArray:
        lines = zip(*found.points(weights), strict=True)
        return np.array([aiq_code(c, q, high) if code else aiq(c, q, low, high) for c, q in lines])

    return statistic


def trivial(table: Table, members: Sequence[str] | None = None) -> tuple[FloatArray, FloatArray]:
    """Mean cost and quality of each member: the frontier that no router is needed for (RouterBench's zero router)."""
    held = table.only(members) if members is not None else table
    return mean_costs(held), held.quality.mean(axis=0)


def _saved(cost: FloatArray, quality: FloatArray, target: float, limit: float) -> float:
    order = np.lexsort((-quality, cost))
    return 1.0 - reach(cost[order], quality[order], target) / limit if limit > 0 else float("nan")
