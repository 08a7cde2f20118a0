"""Coefficients of agreement once more, straight from their definitions: slow, and independent of the tested code."""

from collections.abc import Sequence
from itertools import combinations, permutations
from math import sqrt
from statistics import fmean


def cohen(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Observed agreement beyond that of every pair of labels across all cases."""
    if not pairs:
        return None
    seen = fmean(one == other for one, other in pairs)
    chance = fmean(one == other for one, _ in pairs for _, other in pairs)
    return None if chance > 1 - 1e-9 else (seen - chance) / (1 - chance)


def fleiss(cases: Sequence[Sequence[str]]) -> float | None:
    """Observed agreement of two raters of a case, beyond that of two labels of any cases, drawn with replacement."""
    if not cases:
        return None
    seen = fmean(fmean(one == other for one, other in combinations(labels, 2)) for labels in cases)
    pool = [label for labels in cases for label in labels]
    chance = fmean(one == other for one in pool for other in pool)
    return None if chance > 1 - 1e-9 else (seen - chance) / (1 - chance)


def krippendorff(cases: Sequence[Sequence[str]]) -> float | None:
    """1 - observed over expected disagreement; each ordered pair within a case weighs 1 / (labels of the case - 1)."""
    told = [labels for labels in cases if len(labels) > 1]
    pool = [label for labels in told for label in labels]
    if not pool:
        return None
    seen = sum(sum(one != other for one, other in permutations(labels, 2)) / (len(labels) - 1) for labels in told)
    expected = sum(one != other for one, other in permutations(pool, 2)) / (len(pool) - 1)
    return None if not expected else 1 - seen / expected


def effective(cases: Sequence[Sequence[float | None]], least: int) -> float | None:
    """n / (1 + (n - 1) * mean correlation of errors), where two seats have ``least`` cases in common and both vary."""
    seats = len(cases[0]) if cases else 0
    found = []
    for one, other in combinations(range(seats), 2):
        both = [(row[one], row[other]) for row in cases if row[one] is not None and row[other] is not None]
        if len(both) < least:
            continue
        xs, ys = [float(x or 0) for x, _ in both], [float(y or 0) for _, y in both]
        dx, dy = [x - fmean(xs) for x in xs], [y - fmean(ys) for y in ys]
        spread = sqrt(sum(x * x for x in dx) * sum(y * y for y in dy))
        if spread > 1e-6:
            found.append(sum(x * y for x, y in zip(dx, dy, strict=True)) / spread)
    return max(1.0, seats / (1 + (seats - 1) * max(0.0, fmean(found)))) if found else None
