"""Figures of a whole frontier: APGR, CPT, AIQ and the cost saved at a quality.

A curve is piecewise linear through points (cost, quality), because a router may take either of two neighbouring points
at random. For a pair of models and one score per request it goes through every threshold; requests of one score are
passed together, which is the expectation over their order.
"""

from dataclasses import dataclass

import numpy as np

from ensemble.training.bootstrap import Statistic, divided
from ensemble.training.table import FloatArray

LEVELS = (0.95, 0.99, 1.0)
"""Shares of the best single member's quality at which savings are told."""
_SLACK = 1e-12
"""Rounding of sums of thousands of numbers must not decide whether a quality was reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A weak and a strong model on n requests, and a score per request: higher goes to the strong one first."""

    scores: FloatArray
    weak: FloatArray
    strong: FloatArray

    def __post_init__(self) -> None:
        if not self.scores.shape == self.weak.shape == self.strong.shape or self.scores.ndim != 1:
            raise ValueError("scores, weak and strong: one number per request each, of the same length")
        if np.isnan(self.scores).any():
            raise ValueError("scores: one is NaN; a request must have a score")


def pair_curve(pair: Pair, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Share of requests that the strong model gets, and mean quality: both (b, k) for row weights (b, n)."""
    order = np.argsort(-pair.scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(pair.scores[order])), len(order) - 1)
    sorted_weights = weights[:, order]
    gains = sorted_weights * (pair.strong - pair.weak)[order]
    start = np.zeros((len(weights), 1))
    total = weights.sum(axis=1, keepdims=True)
    calls = np.hstack([start, np.cumsum(sorted_weights, axis=1)[:, ends]]) / total
    quality = np.hstack([start, np.cumsum(gains, axis=1)[:, ends]]) + (weights @ pair.weak)[:, None]
    return calls, quality / total


def recovered(pair: Pair, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Strong calls and the share of the performance gap that they recover (PGR, Ong et al. 2024, section 2.2)."""
    calls, quality = pair_curve(pair, weights)
    gap = quality[:, -1:] - quality[:, :1]
    return calls, divided(quality - quality[:, :1], np.broadcast_to(gap, quality.shape))


def apgr(pair: Pair) -> Statistic:
    """Average performance gap recovered (Ong et al. 2024, equation 5), over all shares of strong calls.

    The paper's average over ten percentiles and the trapezoids of its code tend to this area with their number; a
    random router has 0.5. It is not defined where both models are equally good.
    """

    def statistic(weights: FloatArray) -> FloatArray:
        calls, gap = recovered(pair, weights)
        return np.asarray(np.trapezoid(gap, calls, axis=1), dtype=np.float64)

    return statistic


def cpt(pair: Pair, level: float) -> Statistic:
    """Call-performance threshold: least share of strong calls that recovers ``level`` of the gap (Ong et al. 2024)."""

    def statistic(weights: FloatArray) -> FloatArray:
        calls, gap = recovered(pair, weights)
        return np.array([reach(*line, level) for line in zip(calls, gap, strict=True)])

    return statistic


def pair_saving(pair: Pair, level: float, *, weak_cost: float = 0.0, both: bool = False) -> Statistic:
    """Cost saved against the strong model alone, at ``level`` of its quality; a strong call costs 1.

    ``weak_cost`` is what a weak call costs; with ``both`` it is paid for every request, as in a cascade.
    """

    def statistic(weights: FloatArray) -> FloatArray:
        calls, quality = pair_curve(pair, weights)
        cost = weak_cost + calls if both else weak_cost * (1 - calls) + calls
        return np.array([1 - reach(c, q, level * q[-1]) for c, q in zip(cost, quality, strict=True)])

    return statistic


def reach(cost: FloatArray, quality: FloatArray, target: float) -> float:
    """Least cost at which a curve in the order of cost has ``target``; NaN where it never has."""
    if np.isnan(target) or np.isnan(quality).any():
        return float("nan")
    hit = np.flatnonzero(quality >= target - _SLACK)
    if not hit.size:
        return float("nan")
    place = int(hit[0])
    if place == 0 or quality[place] <= target:
        return float(cost[place])
    before = place - 1
    part = (target - quality[before]) / (quality[place] - quality[before])
    return float(cost[before] + part * (cost[place] - cost[before]))


def hull(cost: FloatArray, quality: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The non-decreasing convex hull: what can be had by mixing points, never paying more for less.

    Source: Hu et al. 2024, RouterBench, section 3.
    """
    found: list[tuple[float, float]] = []
    for here in sorted(zip(cost.tolist(), quality.tolist(), strict=True), key=lambda point: (point[0], -point[1])):
        if found and here[1] <= found[-1][1]:
            continue
        while len(found) > 1 and _below(found[-2], found[-1], here):
            found.pop()
        found.append(here)
    points = np.array(found, dtype=np.float64).reshape(-1, 2)
    return points[:, 0], points[:, 1]


def aiq(cost: FloatArray, quality: FloatArray, low: float, high: float) -> float:
    """Average improvement in quality, as in the paper: mean height of the hull over the costs ``low`` to ``high``.

    Compare routers over the same range: the cheapest and the dearest member's cost. Right of its last point a router
    keeps its quality, left of its first one it is mixed with the null router, which costs and knows nothing.

    Source: Hu et al. 2024, RouterBench, section 3.3.
    """
    if not high > low or not len(cost) or np.isnan(quality).any():
        return float("nan")
    x, y = hull(cost, quality)
    if low < x[0]:
        x, y = np.append(0.0, x), np.append(0.0, y)
    knots = np.unique(np.concatenate([[low, high], x[(x > low) & (x < high)]]))
    return float(np.trapezoid(np.interp(knots, x, y), knots) / (high - low))


def aiq_code(cost: FloatArray, quality: FloatArray, high: float) -> float:
    """The same as RouterBench's code has it: the area below the hull from its first point on, divided by ``high``.

    ``high`` is the highest cost among the hulls that are compared. What is left of the first point counts as nothing.
    """
    if not high > 0 or not len(cost) or np.isnan(quality).any():
        return float("nan")
    x, y = hull(cost, quality)
    x, y = np.append(x, max(high, x[-1])), np.append(y, y[-1])
    return float(np.trapezoid(y, x) / high)


def _below(first: tuple[float, float], middle: tuple[float, float], last: tuple[float, float]) -> bool:
    """Whether ``middle`` is not above the line from ``first`` to ``last``."""
    run, rise = last[0] - first[0], last[1] - first[1]
    return (middle[1] - first[1]) * run <= rise * (middle[0] - first[0])
