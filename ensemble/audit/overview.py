"""The figures of the overview: what came in, what it cost, who won, whether the routers hold."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlite_utils import Database

from ensemble.audit import traffic
from ensemble.audit.cells import count, number, ranged, share
from ensemble.audit.counting import Counted, counted
from ensemble.audit.drift import drift
from ensemble.audit.recent import Recent
from ensemble.audit.shapes import Cell, Column, Table, Window
from ensemble.audit.winning import domains_table, members_table, strengths_table
from ensemble.store.audit.drawn import drawn
from ensemble.store.audit.panels import version
from ensemble.store.label_rows import label_rows_of
from ensemble.store.queries import label_of

MOST = 2000
"""Judged requests that are counted; with more in the window, these are drawn."""
Row = Mapping[str, Cell]
_RECENT = Recent[tuple[Counted, str]](32)


def overview(db: Database, window: Window, query: Mapping[str, str]) -> dict[str, Table]:
    """Every table of the overview: traffic from daily sums, who wins from the labels."""
    found, sample = _RECENT.get((version(db), window), lambda: _judged(db, window))
    by_router, called = traffic.routers(db, window), traffic.calls(db, window)
    return {
        "summary": _summary(by_router.rows, called.rows, found),
        "by_router": by_router,
        "days": traffic.days(db, window),
        "cost": traffic.cost(db, window),
        "calls": called,
        "members": _told(members_table(found.members), sample),
        "domains": _told(domains_table(found.domains), sample),
        "strengths": _told(strengths_table(found.pairs, found.comparisons), sample),
        "drift": drift(db, window),
    }


def _judged(db: Database, window: Window) -> tuple[Counted, str]:
    sample = drawn(db, MOST, window)
    return counted(map(label_of, label_rows_of(db, sample.ids))), sample.note


def _told(table: Table, sample: str) -> Table:
    return replace(table, note=f"{sample} {table.note}")


def _summary(routers: Sequence[Row], called: Sequence[Row], found: Counted) -> Table:
    total = {name: sum(count(row, name) for row in routers) for name in _COUNTS}
    ended = total["answered"] + total["failed"] + total["cancelled"]
    waited = sum(
        number(row, "mean_s") * (count(row, "answered") + count(row, "failed") + count(row, "cancelled"))
        for row in routers
    )
    row: Row = {
        "requests": total["requests"],
        **share("answered", total["answered"], ended),
        "mean_s": waited / ended if ended else None,
        "nano_usd": sum(count(one, "nano_usd") for one in called),
        "unpriced": sum(count(one, "unpriced") for one in called),
        **share("overturned", total["overturned"], total["answered"]),
        "cases": found.cases,
        **share("ties", found.ties, found.cases),
        **share("all_bad", found.all_bad, found.cases),
    }
    return replace(_SUMMARY, rows=[row] if total["requests"] else [])


_COUNTS = ("requests", "answered", "failed", "cancelled", "overturned")
_SUMMARY = Table(
    name="summary",
    title="At a glance",
    columns=(
        Column(name="requests", title="Requests", kind="count"),
        *ranged("answered", "Answered", "share"),
        Column(name="mean_s", title="Mean seconds", kind="seconds"),
        Column(name="nano_usd", title="Known cost", kind="usd"),
        Column(name="unpriced", title="Calls of unknown cost", kind="count"),
        *ranged("overturned", "Overturned", "share"),
        Column(name="cases", title="Judged requests counted", kind="count"),
        *ranged("ties", "Ties", "share"),
        *ranged("all_bad", "All bad", "share"),
    ),
    rows=(),
    note="95 % intervals by Wilson, requests taken for independent. An answer leaves by its deadline or not at all.",
    empty="No request here yet: point a client at this server (`ensemble serve`), or widen the period.",
)
