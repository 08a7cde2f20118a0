"""How often a choice is right: routing accuracy in its three readings, each beside the best constant choice; regret.

A choice is an array (n,) of member indices, or (n, m) of the shares with which each member is taken, so that a tie that
nothing breaks counts by its expectation and not by the order of rows.
"""

import numpy as np

from ensemble.training.bootstrap import DRAWS, interval, mean
from ensemble.training.intervals import Interval
from ensemble.training.readings import Accuracy, Reading
from ensemble.training.table import BoolArray, FloatArray, IntArray, Table


def shares(choice: IntArray | FloatArray, members: int) -> FloatArray:
    """A choice as shares (n, m) that add up to 1 in each row."""
    if choice.ndim == 2:
        return choice.astype(np.float64)
    out = np.zeros((len(choice), members))
    out[np.arange(len(choice)), choice.astype(np.int64)] = 1.0
    return out


def costs(table: Table) -> FloatArray:
    """Cost (n, m); where one is unknown the member's mean, and infinity for a member of which no cost is known."""
    return np.where(np.isnan(table.nano_usd), mean_costs(table), table.nano_usd)


def mean_costs(table: Table) -> FloatArray:
    """Mean known cost per member (m,); infinity for a member of which none is known."""
    known = ~np.isnan(table.nano_usd)
    count = known.sum(axis=0)
    total = np.where(known, table.nano_usd, 0.0).sum(axis=0)
    means: FloatArray = np.divide(total, count, out=np.full(len(table.members), np.inf), where=count > 0)
    return means


def mean_quality(table: Table) -> FloatArray:
    """Mean known quality per member (m,), NaN where there is none."""
    known = ~np.isnan(table.quality)
    count = known.sum(axis=0)
    total = np.where(known, table.quality, 0.0).sum(axis=0)
    means: FloatArray = np.divide(total, count, out=np.full(len(table.members), np.nan), where=count > 0)
    return means


def cheapest(table: Table) -> int:
    """Index of the member with the least mean cost; of equals the better one, then the first by name."""
    return _first(table, -mean_costs(table), mean_quality(table))


def best_single(table: Table) -> int:
    """Index of the member with the highest mean quality; of equals the cheaper one, then the first by name."""
    return _first(table, mean_quality(table), -mean_costs(table))


def cheapest_of_best(table: Table) -> BoolArray:
    """One right member per row (n, m), none where there is no winner.

    Of equally cheap winners it is the one with the higher mean quality over the table, then the first by name.
    """
    order = _preference(table)
    cost = np.where(table.best, costs(table), np.inf)[:, order]
    best = table.best[:, order]
    # A winner of unknown cost is dearer than any other, but still a winner.
    least = best & (cost == cost.min(axis=1, keepdims=True, initial=np.inf))
    first = least & (np.cumsum(least, axis=1) == 1)
    found = np.zeros_like(table.best)
    found[:, order] = first
    return found


def right(table: Table, reading: Reading) -> tuple[BoolArray, BoolArray]:
    """Which rows (n,) count in a reading, and which members (n, m) are right in them."""
    voting = table.usable & table.best.any(axis=1)
    if reading == "cheapest_best":
        return voting, cheapest_of_best(table)
    if reading == "ties_right":
        return voting, table.best
    judged = ~np.isnan(table.quality)
    # People say who is best and give no scores; then all members count as judged.
    lost = ~table.best & (judged | ~judged.any(axis=1, keepdims=True))
    return voting & lost.any(axis=1), table.best


def accuracy(
    table: Table, choice: IntArray | FloatArray, reading: Reading, *, draws: int = DRAWS, seed: int = 0
) -> Accuracy:
    """Routing accuracy of ``choice``, with intervals over groups."""
    rows, credit = right(table, reading)
    held = table.take(rows)
    credits = credit[rows].astype(np.float64)
    got = (shares(choice, len(table.members))[rows] * credits).sum(axis=1)
    constants = credits.sum(axis=0)
    top = _first(table, constants, -mean_costs(table)) if len(table.members) else 0

    def over(values: FloatArray) -> Interval:
        return interval(mean(values), held.groups, number=draws, seed=seed)

    return Accuracy(
        reading=reading,
        rows=len(held),
        value=over(got),
        constant=table.members[top],
        constant_value=over(credits[:, top]),
        margin=over(got - credits[:, top]),
    )


def taken(values: FloatArray, choice: IntArray | FloatArray) -> FloatArray:
    """What the choice gets of ``values`` (n, m), per row (n,); NaN where a member that it takes is unknown."""
    part = shares(choice, values.shape[1])
    got: FloatArray = (part * np.where(part > 0, values, 0.0)).sum(axis=1)
    return got


def regrets(table: Table, choice: IntArray | FloatArray) -> FloatArray:
    """Quality lost (n,) against the best member of each request; NaN where a quality is unknown."""
    lost: FloatArray = table.quality.max(axis=1, initial=-np.inf) - taken(table.quality, choice)
    return lost


def cheapest_is_best(table: Table) -> FloatArray:
    """1 where the member that is cheapest on average is among the best, else 0; NaN in rows without a winner."""
    voting, _ = right(table, "ties_right")
    return np.where(voting, table.best[:, cheapest(table)].astype(np.float64), np.nan)


def confusion(table: Table, choice: IntArray | FloatArray) -> FloatArray:
    """Requests (m, m) by the cheapest of the best members (down) and the member that was taken (across)."""
    rows, credit = right(table, "cheapest_best")
    found: FloatArray = credit[rows].astype(np.float64).T @ shares(choice, len(table.members))[rows]
    return found


def _preference(table: Table) -> IntArray:
    quality = np.nan_to_num(mean_quality(table), nan=-1.0)
    ranked = sorted(range(len(table.members)), key=lambda place: (-quality[place], table.members[place]))
    return np.array(ranked, dtype=np.int64)


def _first(table: Table, first: FloatArray, then: FloatArray) -> int:
    """The member with the highest ``first``, of equals with the highest ``then``, then by name."""
    one, two = (np.where(np.isnan(values), -np.inf, values) for values in (first, then))
    return min(range(len(table.members)), key=lambda place: (-one[place], -two[place], table.members[place]))
