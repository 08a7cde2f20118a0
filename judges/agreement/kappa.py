"""Agreement beyond chance on nominal labels, each with a bootstrapped 95 % interval.

Cases with the same labels are interchangeable, so a resample of the cases is one multinomial draw over the distinct
patterns of labels: exact, and as quick for a million cases as for a hundred.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Floats = NDArray[float64]

RESAMPLES = 1000
T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A coefficient over ``n`` cases: 1 is full agreement, 0 what chance gives; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None
    n: int


def cohen(pairs: Iterable[tuple[Hashable, Hashable]], *, seed: int = 0) -> Estimate:
    """Cohen's kappa (1960) of two judges, from their labels case by case."""
    return cohen_within(([pair] for pair in pairs), seed=seed)


def cohen_within(cases: Iterable[Sequence[tuple[Hashable, Hashable]]], *, seed: int = 0) -> Estimate:
    """Cohen's kappa of all labels of all cases, of which each has several, such as one for each of its candidates.

    Whole cases are resampled, since what belongs to one of them hangs together; cases without labels do not count.
    """
    patterns = Counter(frozenset(Counter(pairs).items()) for pairs in cases if pairs)
    known, often = list(_places(pair for pattern in patterns for pair, _ in pattern)), _counts(patterns)
    place = _places(label for pair in known for label in pair)

    def kappa(draws: "Floats") -> "Floats":
        import numpy as np

        draws = draws @ often
        one, other = (np.eye(len(place))[[place[pair[side]] for pair in known]] for side in (0, 1))
        total = draws.sum(axis=1)
        seen = draws @ (one * other).sum(axis=1) / total
        chance = ((draws @ one) * (draws @ other)).sum(axis=1) / total**2
        return _ratio(seen - chance, 1 - chance)

    return estimated(list(patterns.values()), kappa, seed)


def fleiss(cases: Iterable[Sequence[Hashable]], *, seed: int = 0) -> Estimate:
    """Fleiss' kappa (1971): the labels of each case, from equally many judges.

    Raises:
        ValueError: a case has another number of labels than the first, or fewer than two.
    """
    patterns = Counter(frozenset(Counter(labels).items()) for labels in cases)
    sizes = {sum(n for _, n in pattern) for pattern in patterns}
    if len(sizes) > 1 or min(sizes, default=2) < 2:
        raise ValueError(f"Fleiss' kappa needs the same number of judges, two or more, in every case, not {sizes}")
    raters = max(sizes, default=2)
    counts = _counts(patterns)

    def kappa(draws: "Floats") -> "Floats":
        total = draws.sum(axis=1)
        seen = draws @ ((counts**2).sum(axis=1) - raters) / (raters * (raters - 1)) / total
        chance = (((draws @ counts) / (total * raters)[:, None]) ** 2).sum(axis=1)
        return _ratio(seen - chance, 1 - chance)

    return estimated(list(patterns.values()), kappa, seed)


def krippendorff(cases: Iterable[Sequence[Hashable]], *, seed: int = 0) -> Estimate:
    """Krippendorff's alpha for nominal data: any number of labels per case; cases with fewer than two do not count."""
    return krippendorff_within(([labels] for labels in cases), seed=seed)


def krippendorff_within(cases: Iterable[Iterable[Sequence[Hashable]]], *, seed: int = 0) -> Estimate:
    """Krippendorff's alpha of all units of all cases, as ``cohen_within`` has it; a unit has one label per judge."""
    units = ((frozenset(Counter(labels).items()) for labels in case if len(labels) > 1) for case in cases)
    patterns = Counter(frozenset(Counter(case).items()) for case in units)
    del patterns[frozenset()]
    known, often = list(_places(unit for pattern in patterns for unit, _ in pattern)), _counts(patterns)
    counts = _counts(known)

    def alpha(draws: "Floats") -> "Floats":
        draws = draws @ often
        sizes = counts.sum(axis=1)
        unlike = draws @ ((sizes**2 - (counts**2).sum(axis=1)) / (sizes - 1)) if len(sizes) else draws.sum(axis=1)
        totals = draws @ counts
        n = totals.sum(axis=1)
        return 1 - _ratio((n - 1) * unlike, n**2 - (totals**2).sum(axis=1))

    return estimated(list(patterns.values()), alpha, seed)


def _places(labels: Iterable[T]) -> dict[T, int]:
    return {label: at for at, label in enumerate(dict.fromkeys(labels))}


def _counts(patterns: Iterable[frozenset[tuple[T, int]]]) -> "Floats":
    """How often each label stands in each pattern, patterns by labels."""
    import numpy as np

    known = list(patterns)
    place = _places(label for pattern in known for label, _ in pattern)
    counts = np.zeros((len(known), len(place)))
    for row, pattern in enumerate(known):
        for label, n in pattern:
            counts[row, place[label]] = n
    return counts


def _ratio(over: "Floats", under: "Floats") -> "Floats":
    """Their quotient; not a number where chance alone explains everything."""
    import numpy as np

    defined = under > 1e-12
    result: Floats = np.where(defined, over / np.where(defined, under, 1.0), np.nan)
    return result


def estimated(weights: Sequence[int], statistic: Callable[["Floats"], "Floats"], seed: int) -> Estimate:
    """``statistic`` of patterns that occur ``weights`` times, with the interval that resampled cases give it.

    It takes weights (draws, patterns) and gives a value per draw, NaN where it is not defined.
    """
    import numpy as np

    n = sum(weights)
    if n == 0:
        return Estimate(value=None, low=None, high=None, n=0)
    given = np.asarray(weights, dtype=float)
    value = float(statistic(given[None, :])[0])
    if np.isnan(value):
        return Estimate(value=None, low=None, high=None, n=n)
    draws = np.random.default_rng(seed).multinomial(n, given / n, size=RESAMPLES).astype(float)
    drawn = statistic(draws)
    defined = drawn[~np.isnan(drawn)]
    if not len(defined):
        return Estimate(value=value, low=None, high=None, n=n)
    low, high = np.quantile(defined, (0.025, 0.975))
    return Estimate(value=value, low=float(low), high=float(high), n=n)
