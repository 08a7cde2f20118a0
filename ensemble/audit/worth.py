"""What each member, the judge and its seats earn, and what the router that served saved: on labels of whole panels.

The figures are those of ``ensemble evaluate --panels``; on a log with more labels than ``MOST``, those of a sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ensemble.audit.cells import NONE
from ensemble.audit.recent import Recent
from ensemble.audit.shapes import Window
from ensemble.plurals import counted
from ensemble.store.audit.panels import Served, served, version, whole_panels
from ensemble.store.database import Database
from ensemble.store.examples import examples_of
from ensemble.training.accuracy import best_single, cheapest_is_best, costs
from ensemble.training.bootstrap import DRAWS, interval, mean, ratio
from ensemble.training.evaluate import TooFewLabels, measurable
from ensemble.training.held import Held, hold
from ensemble.training.intervals import Interval
from ensemble.training.panels import Panels, panels
from ensemble.training.table import FloatArray

MOST = 2000
"""Labels that are measured on; more of them are sampled. Two thousand take about two seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a router that served saved against always asking the best single member, as a share of that one's cost.

    Attributes:
        ratio: quality of what was served, as a share of that member's.
        calls: share saved on calls of members; ``whole`` counts judging and routing before the answer too.
        per_request: nano-USD of all that; NaN where that is unknown.
    """

    router: str
    rows: int
    against: str
    ratio: Interval = NONE
    calls: Interval = NONE
    whole: Interval = NONE
    per_request: float = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What was measured.

    Attributes:
        rows: labels measured on, of ``total`` in the window of which every member of the plan was judged.
        sampled: more labels are there than were read.
        why: the sentence why nothing was measured; "" where something was.
        cheapest: the member that is cheapest on average; ``cheapest_best`` is how often it is among the best.
        saved: by router that served.
    """

    rows: int = 0
    total: int = 0
    sampled: bool = False
    why: str = ""
    cheapest: str = ""
    cheapest_best: Interval = NONE
    panels: Panels | None = None
    saved: tuple[Saved, ...] = ()

    @property
    def note(self) -> str:
        """What the figures are about, for people."""
        if self.why:
            return self.why
        every = counted(self.total if self.sampled else self.rows, "request")
        of = f"a random {self.rows:,} of {every}" if self.sampled else every
        return (
            f"On {of} of which every member was judged; the judge's labels are taken for the truth. "
            f"95 % intervals: bootstrap over conversations, {DRAWS:,} draws."
        )


_RECENT = Recent[Worth](32)


def recent_worth(db: Database, window: Window) -> Worth:
    """``worth``, which is worked out once for as long as the labels stay what they are. Blocks for seconds, or not."""
    return _RECENT.get((version(db), window), lambda: worth(db, window))


def worth(db: Database, window: Window, *, most: int = MOST, draws: int = DRAWS, seed: int = 0) -> Worth:
    """Measure on the labels of ``window``. Blocks for seconds."""
    ids, total = whole_panels(db, most, window)
    if not ids:
        return Worth(why="No request was judged with the whole panel yet.")
    try:
        held, frame = measurable(hold(one for one in examples_of(db, ids) if one.label.complete), frozenset())
    except TooFewLabels as error:
        return Worth(total=total, why=f"There are too few labels: {error}.")
    best = interval(mean(cheapest_is_best(held.table)), held.table.groups, number=draws, seed=seed)
    by_router: dict[str, dict[str, Served]] = {}
    for one in served(db, held.table.ids):
        by_router.setdefault(one.router, {})[one.request] = one
    return Worth(
        rows=len(held),
        total=total,
        sampled=total > len(ids),
        cheapest=frame.cheapest,
        cheapest_best=best,
        panels=panels(held, draws=draws, seed=seed),
        saved=tuple(_saved(router, held, told, draws, seed) for router, told in sorted(by_router.items())),
    )


def _saved(router: str, held: Held, told: Mapping[str, Served], draws: int, seed: int) -> Saved:
    """As ``ensemble evaluate`` has it, but for what was served instead of what the router would do."""
    names = set(held.table.members)
    rows = [row for row, id_ in enumerate(held.table.ids) if id_ in told and names.issuperset(_all(told[id_]))]
    table = held.table.take(rows)
    if not rows:
        return Saved(router=router, rows=0, against="")
    price = np.where(np.isinf(found := costs(table)), np.nan, found)
    best = best_single(table)
    place = {name: number for number, name in enumerate(table.members)}
    one_by_one = [told[id_] for id_ in table.ids]
    at = np.arange(len(table))
    got = table.quality[at, [place[one.member] for one in one_by_one]]
    spent = np.array([price[row, [place[name] for name in one.called]].sum() for row, one in enumerate(one_by_one)])
    asking = np.array([np.nan if one.asking is None else float(one.asking) for one in one_by_one])

    def saved(cost: FloatArray) -> Interval:
        left = interval(ratio(cost, price[:, best]), table.groups, number=draws, seed=seed)
        return Interval(point=1 - left.point, low=1 - left.high, high=1 - left.low)

    return Saved(
        router=router,
        rows=len(table),
        against=table.members[best],
        ratio=interval(ratio(got, table.quality[:, best]), table.groups, number=draws, seed=seed),
        calls=saved(spent),
        whole=saved(spent + asking),
        per_request=float((spent + asking).mean()),
    )


def _all(one: Served) -> tuple[str, ...]:
    return (one.member, *one.called)
