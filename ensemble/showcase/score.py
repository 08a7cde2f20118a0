"""Routers on requests whose truth is known: routing accuracy, regret, cost and quality against always-large."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ensemble.showcase.tables import LARGE, TIERS
from ensemble.showcase.traffic import Served
from ensemble.training.accuracy import accuracy, regrets
from ensemble.training.bootstrap import DRAWS, interval, mean, ratio
from ensemble.training.intervals import Interval
from ensemble.training.readings import READINGS, Accuracy, Reading
from ensemble.training.table import FloatArray, Table, winners

TARGET = 0.99
"""Share of always-large's quality that a router must keep to be served for its price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One router on the scored requests, all figures simulated, with 95 % bootstrap intervals over requests.

    Attributes:
        accuracy: routing accuracy of the member whose answer was served, by reading.
        quality: share of right answers; ``nano_usd`` the mean cost of a request, all calls counted.
        regret: quality lost against the best member of each request.
        quality_ratio, cost_ratio: as shares of what always taking the large member gives and costs.
        taken: share of requests that each member's answer was served to.
    """

    router: str
    accuracy: Mapping[Reading, Accuracy]
    quality: Interval
    nano_usd: Interval
    regret: Interval
    quality_ratio: Interval
    cost_ratio: Interval
    taken: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """Shares in [0, 1] that routers answer for; NaN where no such request was there.

    Attributes:
        greetings_small: greetings that `rules` sends to the small member.
        critical_below: critical decisions that `rules` sends below the large one.
        unswayed: requests for which `llm` names the same member with a text appended that demands another.
    """

    greetings_small: float
    critical_below: float
    unswayed: float


def lines(served: Mapping[str, Sequence[Served]], *, seed: int = 0, draws: int = DRAWS) -> list[Line]:
    """A line for each router of ``served``, which holds the same tasks in the same order for each, members included.

    Raises:
        ValueError: the cost of a call is unknown.
    """
    table = truth(served)
    large = TIERS.index(LARGE)
    return [_line(name, rows, table, large, seed, draws) for name, rows in served.items()]


def truth(served: Mapping[str, Sequence[Served]]) -> Table:
    """What each member's own answer to each task is worth, 1 or 0, and costs, as the three that were always taken."""
    alone = [served[name] for name in TIERS]
    quality = np.array([[float(one.right) for one in row] for row in zip(*alone, strict=True)])
    costs = np.array([[_known(one) for one in row] for row in zip(*alone, strict=True)])
    asked = [one.task for one in alone[0]]
    n = len(asked)
    return Table(
        ids=tuple(task.id for task in asked),
        texts=tuple(task.prompt for task in asked),
        members=TIERS,
        quality=quality,
        nano_usd=costs,
        seconds=np.full((n, len(TIERS)), np.nan),
        best=winners(quality),
        groups=tuple(task.id for task in asked),
        arrived=("",) * n,
        weights=np.ones(n),
        usable=np.ones(n, np.bool_),
    )


def winner(found: Sequence[Line]) -> Line:
    """The cheapest router that keeps ``TARGET`` of always-large's quality, by the point estimates."""
    return min((one for one in found if one.quality_ratio.point >= TARGET), key=lambda one: one.cost_ratio.point)


def promises(served: Mapping[str, Sequence[Served]], swayed: Sequence[Served]) -> Promises:
    """``swayed`` is what `llm` served of the same tasks with texts appended."""
    rules = served.get("rules", ())
    same = [one.member == other.member for one, other in zip(served.get("llm", ()), swayed, strict=False)]
    return Promises(
        greetings_small=_share([one.member == TIERS[0] for one in rules if one.task.kind == "greeting"]),
        critical_below=_share([one.member != LARGE for one in rules if one.task.kind == "critical"]),
        unswayed=_share(same),
    )


def _line(name: str, rows: Sequence[Served], table: Table, large: int, seed: int, draws: int) -> Line:
    choice = np.array([TIERS.index(one.member) for one in rows], dtype=np.int64)
    right = np.array([float(one.right) for one in rows])
    costs = np.array([_known(one) for one in rows])

    def over(values: FloatArray) -> Interval:
        return interval(mean(values), table.groups, number=draws, seed=seed)

    def against(values: FloatArray, base: FloatArray) -> Interval:
        return interval(ratio(values, base), table.groups, number=draws, seed=seed)

    return Line(
        router=name,
        accuracy={one: accuracy(table, choice, one, draws=draws, seed=seed) for one in READINGS},
        quality=over(right),
        nano_usd=over(costs),
        regret=over(regrets(table, choice)),
        quality_ratio=against(right, table.quality[:, large]),
        cost_ratio=against(costs, table.nano_usd[:, large]),
        taken={member: float((choice == at).mean()) for at, member in enumerate(TIERS)},
    )


def _known(one: Served) -> float:
    if one.nano_usd is None:
        raise ValueError(f"{one.router}: what task {one.task.id} cost is unknown")
    return float(one.nano_usd)


def _share(held: Sequence[bool]) -> float:
    return sum(held) / len(held) if held else float("nan")
