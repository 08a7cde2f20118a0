"""95 % intervals by the bootstrap over groups (Efron 1979; Field and Welsh 2007), which are drawn whole."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np

from ensemble.training.intervals import Interval
from ensemble.training.table import FloatArray

DRAWS = 1000
_AT_ONCE = 2_000_000
"""Numbers held at a time, so that long tables do not fill the memory."""

Statistic = Callable[[FloatArray], FloatArray]
"""Row weights (b, n), whole numbers or 1, to one value per line (b,); NaN where it is not defined."""


def draws(groups: Sequence[str], *, number: int = DRAWS, seed: int = 0) -> Iterator[FloatArray]:
    """How often each row is drawn, as arrays (b, n) of ``number`` lines in all.

    Groups are drawn with replacement, in an order of their own: how the rows are ordered changes nothing.
    """
    if len(groups) * number <= _AT_ONCE * 4:
        yield _kept(tuple(groups), number, seed)
        return
    yield from _drawn(groups, number, seed)


@lru_cache(maxsize=4)
def _kept(groups: tuple[str, ...], number: int, seed: int) -> FloatArray:
    """The draws of small tables, which dozens of figures share."""
    whole = np.concatenate([np.empty((0, len(groups))), *_drawn(groups, number, seed)])
    whole.flags.writeable = False
    return whole


def _drawn(groups: Sequence[str], number: int, seed: int) -> Iterator[FloatArray]:
    names, place = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    random = np.random.default_rng(seed)
    chunk = max(1, _AT_ONCE // max(1, len(groups)))
    chances = np.full(len(names), 1.0 / max(1, len(names)))
    for begin in range(0, number, chunk):
        counts = random.multinomial(len(names), chances, size=min(chunk, number - begin))
        yield counts[:, place].astype(np.float64)


def interval(statistic: Statistic, groups: Sequence[str], *, number: int = DRAWS, seed: int = 0) -> Interval:
    """The statistic of all rows, with the 2.5 % and 97.5 % quantiles over draws of groups.

    No interval is given where fewer than two groups are there, or more than a tenth of the draws leave it undefined.
    """
    point = float(statistic(np.ones((1, len(groups))))[0]) if len(groups) else float("nan")
    if len(set(groups)) < 2 or np.isnan(point):
        return Interval(point=point, low=float("nan"), high=float("nan"))
    values = np.concatenate([statistic(weights) for weights in draws(groups, number=number, seed=seed)])
    known = values[~np.isnan(values)]
    if known.size < 0.9 * values.size:
        return Interval(point=point, low=float("nan"), high=float("nan"))
    low, high = np.quantile(known, (0.025, 0.975))
    return Interval(point=point, low=float(low), high=float(high))


def mean(values: FloatArray) -> Statistic:
    """The weighted mean of one value per row; rows of NaN are left out."""
    known = ~np.isnan(values)
    filled, counted = np.where(known, values, 0.0), known.astype(np.float64)

    def statistic(weights: FloatArray) -> FloatArray:
        return divided(weights @ filled, weights @ counted)

    return statistic


def ratio(above: FloatArray, below: FloatArray) -> Statistic:
    """The ratio of two sums over rows; rows in which either is NaN are left out."""
    known = ~(np.isnan(above) | np.isnan(below))
    top, bottom = np.where(known, above, 0.0), np.where(known, below, 0.0)

    def statistic(weights: FloatArray) -> FloatArray:
        return divided(weights @ top, weights @ bottom)

    return statistic


def divided(above: FloatArray, below: FloatArray) -> FloatArray:
    """``above / below``, NaN where that is not defined."""
    out: FloatArray = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=np.abs(below) > 0)
    return out
