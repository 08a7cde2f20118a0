"""Shadow and drift of served routers over time, as the watch on them noted it."""

from collections.abc import Iterable, Mapping
from math import sqrt

from ensemble.audit.cells import normal, ranged, share, short, spread
from ensemble.audit.drift import drift
from ensemble.audit.shapes import Cell, Column, Table, Window
from ensemble.store.audit.watched import Day, Decision, days, decisions
from ensemble.store.database import Database
from ensemble.training.intervals import Interval

MOST = 100
_SHADOW = "No router is watched. A table [routers.NAME.shadow] has a share of its requests judged against the panel."
_WHO = (Column(name="router", title="Router"), Column(name="digest", title="Digest"))


def watch_tables(db: Database, window: Window) -> dict[str, Table]:
    """The tables ``drift`` (where each router stands), ``shadow`` (day by day) and ``decisions``."""
    made = (drift(db, window), _days(days(db, window)), _decisions(decisions(db, MOST, window)))
    return {table.name: table for table in made}


def _days(seen: Iterable[Day]) -> Table:
    found: dict[tuple[str, str, str, str], dict[str, Day]] = {}
    for one in seen:
        found.setdefault((one.router, one.digest, one.judge, one.day), {})[one.event] = one
    rows: list[Mapping[str, Cell]] = [
        {
            "router": router,
            "digest": short(digest),
            "judge": short(judge),
            "day": day,
            **_kept(by.get("label")),
            **_agreed(by),
        }
        for (router, digest, judge, day), by in sorted(found.items(), key=lambda item: (item[0][0], item[0][3]))
    ]
    return Table(
        name="shadow",
        title="Quality kept, day by day",
        columns=(
            *_WHO,
            Column(name="judge", title="Digest of the judge"),
            Column(name="day", title="Day"),
            Column(name="labels", title="Labels", kind="count"),
            *ranged("kept", "Quality kept", "number"),
            Column(name="anchors", title="Judge checks", kind="count"),
            *ranged("agreement", "Judge agrees with itself", "share"),
        ),
        rows=rows,
        note="A drawn share of the requests is judged against the whole panel: 1 where the answer that was served was "
        "as good as the best. A router or judge that changed begins anew. Simple 95 % intervals of each day; "
        "what demotes a router is a bound that holds at all times (`ensemble watch`).",
        empty=_SHADOW,
    )


def _kept(one: Day | None) -> dict[str, Cell]:
    if one is None:
        return {"labels": 0, "kept": None, "kept_low": None, "kept_high": None}
    wide = normal(one.mean, sqrt(one.variance / (one.n - 1)) if one.n > 1 else float("nan"))
    # A mean of shares lies in [0, 1], and so do the ends that make sense.
    held = Interval(point=one.mean, low=max(0.0, wide.low), high=min(1.0, wide.high)) if one.n > 1 else wide
    return {"labels": one.n, **spread("kept", held)}


def _agreed(by: Mapping[str, Day]) -> dict[str, Cell]:
    one = by.get("anchor")
    n = one.n if one else 0
    return {"anchors": n, **share("agreement", one.mean * one.n if one else 0.0, n)}


def _decisions(found: Iterable[Decision]) -> Table:
    return Table(
        name="decisions",
        title="Decisions of the watch",
        columns=(
            *_WHO,
            Column(name="at", title="When", kind="time"),
            Column(name="event", title="What"),
            Column(name="why", title="Why"),
        ),
        rows=[
            {"router": one.router, "digest": short(one.digest), "at": one.at, "event": one.event, "why": one.why}
            for one in found
        ],
        note=f"The latest {MOST}.",
        empty="Nothing was decided: no router was demoted, and no judge found to drift.",
    )
