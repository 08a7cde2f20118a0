"""Smaller panels replayed on full-panel labels: what each member, the judge and a quorum are worth.

The winner of a smaller panel is the member that the label finds best in it, so a figure here says what the same judge
would make of fewer answers. Judging is reckoned in proportion to the answers judged, and costs nothing for one; where
its cost is unknown it is the mean of the others, as that of a member is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ensemble.training.accuracy import best_single, costs
from ensemble.training.bootstrap import DRAWS, interval, mean, ratio
from ensemble.training.held import Held
from ensemble.training.intervals import Interval
from ensemble.training.seats import Seat, seats
from ensemble.training.table import FloatArray

MOST = 4096
"""Panels that are tried. Beyond, those of few members, all that lack one, and the full one."""
NEAR = 0.99
"""Share of the full panel's quality that the smallest panel must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Some members, asked at once; ``quorum`` of them are waited for, the others are paid all the same.

    Figures are means per request; NaN where a cost or time is unknown. ``judging`` is part of ``nano_usd``.
    """

    members: tuple[str, ...]
    quorum: int
    quality: float
    nano_usd: float
    judging: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What the full panel has through one member, or through its judge: quality, cost and seconds that would go."""

    name: str
    quality: Interval
    nano_usd: Interval
    seconds: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Panels:
    """Every panel that was tried.

    Attributes:
        full: all members, all waited for.
        smallest: the fewest members, then the cheapest panel, with 99 % of the full one's quality.
        smallest_ratio: its quality as a share of the full one's.
        best: panels than which none is both cheaper and better, cheapest first; of unknown cost, by members.
        members: gain of each member; ``judge`` that of judging, against always serving the best single member.
        seats: what each judge of a jury is worth, where a jury made the labels.
        tried, possible: how many panels there are.
    """

    full: Panel
    smallest: Panel
    smallest_ratio: Interval
    best: tuple[Panel, ...]
    members: tuple[Gain, ...]
    judge: Gain
    seats: tuple[Seat, ...]
    all: tuple[Panel, ...]
    tried: int
    possible: int


def panels(held: Held, *, draws: int = DRAWS, seed: int = 0) -> Panels:
    """Try every panel and quorum on rows whose qualities are all known. Blocks.

    Raises:
        ValueError: no row.
    """
    if not len(held):
        raise ValueError("panels: there is no full-panel label to replay them on")
    trial = _Trial(held)
    m = len(held.table.members)
    whole = tuple(range(m))
    tried = [trial.panel(*one) for one in _plans(m, timed=trial.timed)]
    full = trial.panel(whole, m)
    near = [one for one in tried if one.quality >= NEAR * full.quality - 1e-12]
    smallest = min(near, key=lambda one: (len(one.members), _unknown_last(one.nano_usd), -one.quality, one.members))

    def over(values: FloatArray) -> Interval:
        return interval(mean(values), held.table.groups, number=draws, seed=seed)

    def gain(name: str, without: tuple[int, ...]) -> Gain:
        pairs = zip(trial.rows(whole, m), trial.rows(without, len(without)), strict=True)
        quality, nano_usd, seconds = (over(one - other) for one, other in pairs)
        return Gain(name=name, quality=quality, nano_usd=nano_usd, seconds=seconds)

    places = tuple(held.table.members.index(name) for name in smallest.members)
    one, all_ = trial.rows(places, smallest.quorum)[0], trial.rows(whole, m)[0]
    return Panels(
        full=full,
        smallest=smallest,
        smallest_ratio=_ratio(one, all_, held, draws, seed),
        best=tuple(_undominated(tried)),
        members=tuple(
            gain(name, tuple(other for other in whole if other != place))
            for place, name in enumerate(held.table.members)
            if m > 1
        ),
        judge=gain("judge", (best_single(held.table),)),
        seats=seats(held, draws=draws, seed=seed),
        all=tuple(tried),
        tried=len(tried),
        possible=sum(1 for _ in _all(m, timed=trial.timed)) if m <= 16 else 2**m - 1,
    )


class _Trial:
    """The labels, as panels see them."""

    def __init__(self, held: Held) -> None:
        table = held.table
        self.members, self.quality, self.seconds = table.members, table.quality, table.seconds
        price = costs(table)
        self.price = np.where(np.isinf(price), np.nan, price)
        self.judging = _filled(held.judge_nano_usd)
        self.timed = not np.isnan(self.seconds).any()

    def rows(self, places: tuple[int, ...], quorum: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Quality, cost with judging, and seconds (n,) of one panel."""
        index = list(places)
        seconds, quality = self.seconds[:, index], self.quality[:, index]
        if quorum < len(index):
            waited = np.sort(seconds, axis=1)[:, quorum - 1]
            quality = np.where(seconds <= waited[:, None], quality, -np.inf)
        else:
            waited = seconds.max(axis=1)
        return quality.max(axis=1), self.price[:, index].sum(axis=1) + self.judged(quorum), waited

    def judged(self, answers: int) -> FloatArray:
        """Cost of judging so many answers, by row."""
        return self.judging * (answers / len(self.members)) if answers > 1 else np.zeros_like(self.judging)

    def panel(self, places: tuple[int, ...], quorum: int) -> Panel:
        """Means over the rows."""
        quality, nano_usd, seconds = (float(values.mean()) for values in self.rows(places, quorum))
        return Panel(
            members=tuple(self.members[place] for place in places),
            quorum=quorum,
            quality=quality,
            nano_usd=nano_usd,
            judging=float(self.judged(quorum).mean()),
            seconds=seconds,
        )


def _filled(costs: FloatArray) -> FloatArray:
    """``costs`` (n,), with the mean of the known ones where one is unknown; NaN where none is known."""
    known = ~np.isnan(costs)
    return np.where(known, costs, costs[known].mean()) if known.any() else costs


def _all(m: int, *, timed: bool) -> Iterator[tuple[tuple[int, ...], int]]:
    for size in range(1, m + 1):
        for places in combinations(range(m), size):
            for quorum in range(1 if timed else size, size + 1):
                yield places, quorum


def _plans(m: int, *, timed: bool) -> Iterator[tuple[tuple[int, ...], int]]:
    """Every panel with every quorum while there are few, the small ones first; always the largest ones."""
    whole = tuple(range(m))
    large = {(whole, m), *((tuple(other for other in whole if other != place), m - 1) for place in whole if m > 1)}
    for number, plan in enumerate(_all(m, timed=timed)):
        if number >= MOST:
            break
        large.discard(plan)
        yield plan
    yield from sorted(large)


def _undominated(tried: list[Panel]) -> Iterator[Panel]:
    top = -np.inf
    order = sorted(tried, key=lambda one: (_unknown_last(one.nano_usd), len(one.members), -one.quality, -one.quorum))
    for one in order:
        if one.quality > top + 1e-12:
            top = one.quality
            yield one


def _unknown_last(value: float) -> float:
    return float("inf") if np.isnan(value) else value


def _ratio(one: FloatArray, whole: FloatArray, held: Held, draws: int, seed: int) -> Interval:
    return interval(ratio(one, whole), held.table.groups, number=draws, seed=seed)
