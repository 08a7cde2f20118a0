"""Every figure of a router in one place. They take a table with choices or scores and know no router."""

from ensemble.training.accuracy import (
    accuracy,
    best_single,
    cheapest,
    cheapest_is_best,
    cheapest_of_best,
    confusion,
    costs,
    mean_costs,
    mean_quality,
    regrets,
    shares,
    taken,
)
from ensemble.training.bootstrap import DRAWS, Statistic, interval, mean, ratio
from ensemble.training.curves import LEVELS, Pair, aiq, aiq_code, apgr, cpt, hull, pair_curve, pair_saving, reach
from ensemble.training.frontier import Sweep, choose, lambdas, sweep, sweep_aiq, sweep_saving, trivial
from ensemble.training.intervals import Interval
from ensemble.training.readings import READINGS, Accuracy, Reading
from ensemble.training.table import FloatArray, IntArray, Table

__all__ = [
    "DRAWS",
    "LEVELS",
    "READINGS",
    "Accuracy",
    "Interval",
    "Pair",
    "Reading",
    "Statistic",
    "Sweep",
    "accuracy",
    "aiq",
    "aiq_code",
    "apgr",
    "apgr_of",
    "best_single",
    "cheapest",
    "cheapest_is_best",
    "cheapest_of_best",
    "choose",
    "confusion",
    "costs",
    "cpt",
    "cpt50",
    "cpt80",
    "hull",
    "interval",
    "lambdas",
    "mean",
    "mean_costs",
    "mean_quality",
    "pair_curve",
    "pair_saving",
    "quality_ratio",
    "ratio",
    "reach",
    "regret",
    "regrets",
    "saved",
    "savings_at",
    "shares",
    "sweep",
    "sweep_aiq",
    "sweep_saving",
    "taken",
    "trivial",
]


def regret(table: Table, choice: IntArray | FloatArray, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Mean quality lost against the best member of each request."""
    return interval(mean(regrets(table, choice)), table.groups, number=draws, seed=seed)


def quality_ratio(table: Table, choice: IntArray | FloatArray, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Quality of the choices as a share of the best single member's, which is chosen on these rows."""
    best = table.quality[:, best_single(table)]
    return interval(ratio(taken(table.quality, choice), best), table.groups, number=draws, seed=seed)


def saved(table: Table, choice: IntArray | FloatArray, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Share of the best single member's cost that the choices save; never tell it without ``quality_ratio``."""
    left = interval(
        ratio(taken(costs(table), choice), costs(table)[:, best_single(table)]), table.groups, number=draws, seed=seed
    )
    return Interval(point=1 - left.point, low=1 - left.high, high=1 - left.low)


def savings_at(found: Sweep | Pair, table: Table, *, draws: int = DRAWS, seed: int = 0) -> dict[float, Interval]:
    """Share of cost saved at 95, 99 and 100 % of the best single member's quality, read off the frontier.

    Of a ``Pair`` it is the share of strong calls. NaN where the frontier does not get so far.
    """
    levels = {
        level: sweep_saving(found, level) if isinstance(found, Sweep) else pair_saving(found, level) for level in LEVELS
    }
    return {level: interval(figure, table.groups, number=draws, seed=seed) for level, figure in levels.items()}


def apgr_of(pair: Pair, table: Table, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Average performance gap recovered, see ``curves.apgr``."""
    return interval(apgr(pair), table.groups, number=draws, seed=seed)


def cpt50(pair: Pair, table: Table, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Least share of strong calls that recovers half of the gap."""
    return interval(cpt(pair, 0.5), table.groups, number=draws, seed=seed)


def cpt80(pair: Pair, table: Table, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Least share of strong calls that recovers 80 % of the gap."""
    return interval(cpt(pair, 0.8), table.groups, number=draws, seed=seed)
