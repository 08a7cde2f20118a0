"""The figures of the overview: what came in, what it cost, who won, whether the routers hold."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ensemble.audit import traffic
from ensemble.audit.cells import count, number, ranged, share, spent
from ensemble.audit.drift import drift
from ensemble.audit.shapes import Cell, Column, Table, Window
from ensemble.audit.winning import domains_table, members_table, strengths_table
from ensemble.store.audit import rollups
from ensemble.store.database import Database
from ensemble.store.queries import Tree

COMPARISONS = 2000
"""Newest requests by which it is told how much the comparisons of one request resemble one another."""
Row = Mapping[str, Cell]


def overview(db: Database, window: Window, query: Mapping[str, str]) -> dict[str, Table]:
    """Every table of the overview: a few queries of daily sums, however large the log."""
    judged = rollups.cases(db, window)
    by_router, called = traffic.routers(db, window), traffic.calls(db, window)
    return {
        "summary": _summary(by_router.rows, called.rows, judged),
        "by_router": by_router,
        "days": traffic.days(db, window),
        "parts": _parts(judged),
        "cost": traffic.cost(db, window),
        "calls": called,
        "members": members_table(rollups.members(db, window)),
        "domains": domains_table(rollups.members(db, window, by_domain=True)),
        "strengths": strengths_table(rollups.pairs(db, window), rollups.compared(db, COMPARISONS, window)),
        "drift": drift(db, window),
    }


def _summary(routers: Sequence[Row], called: Sequence[Row], judged: Tree) -> Table:
    total = {name: sum(count(row, name) for row in routers) for name in _COUNTS}
    ended = total["answered"] + total["failed"] + total["cancelled"]
    waited = sum(
        number(row, "mean_s") * (count(row, "answered") + count(row, "failed") + count(row, "cancelled"))
        for row in routers
    )
    called_sums = {name: sum(count(one, name) for one in called) for name in ("nano_usd", "unpriced", "calls")}
    decided = count(judged, "cases") - count(judged, "fallback")
    row: Row = {
        "requests": total["requests"],
        **share("answered", total["answered"], ended),
        "mean_s": waited / ended if ended else None,
        "nano_usd": spent(called_sums["nano_usd"], called_sums["unpriced"], called_sums["calls"]),
        "unpriced": called_sums["unpriced"],
        "judged": decided,
        **share("overturned", total["overturned"], total["answered"]),
        **share("ties", count(judged, "ties"), decided),
        **share("all_bad", count(judged, "all_bad"), decided),
        **share("cheapest_best", count(judged, "cheapest_best"), count(judged, "cheapest_known")),
    }
    return replace(_SUMMARY, rows=[row] if total["requests"] else [])


def _parts(judged: Tree) -> Table:
    cases = count(judged, "cases")
    rows: list[Row] = []
    for name, told in _PARTS.items():
        known = cases - count(judged, f"{name}_unknown")
        sum_ = count(judged, f"{name}_nano_usd")
        rows.append({
            "part": told,
            "nano_usd": spent(sum_, cases - known, cases),
            "per_request": round(sum_ / known) if known else None,
            "unknown": cases - known,
        })  # fmt: skip
    return replace(_COST, rows=rows if cases else [])


_PARTS = {
    "panel": "First attempts of members",
    "retry": "Further attempts",
    "straggler": "Stragglers, after the answer",
    "judge": "Judging",
}
_COST = Table(
    name="parts",
    title="What a judged request costs",
    columns=(
        Column(name="part", title="What for"),
        Column(name="nano_usd", title="Known cost", kind="usd"),
        Column(name="per_request", title="Per request", kind="usd"),
        Column(name="unknown", title="Requests of unknown cost", kind="count"),
    ),
    rows=(),
    note="Sums and means are over the judged requests of which that part is known as a whole; what is known of others "
    "is in the sums below, as are calls for labels alone.",
    empty="Nothing was judged here yet.",
)
_COUNTS = ("requests", "answered", "failed", "cancelled", "overturned")
_SUMMARY = Table(
    name="summary",
    title="At a glance",
    columns=(
        Column(name="requests", title="Requests", kind="count"),
        *ranged("answered", "Answered by the deadline", "share"),
        Column(name="mean_s", title="Mean seconds", kind="seconds"),
        Column(name="nano_usd", title="Known cost", kind="usd"),
        Column(name="unpriced", title="Calls of unknown cost", kind="count"),
        *ranged("overturned", "Overturned", "share"),
        Column(name="judged", title="Judged", kind="count"),
        *ranged("ties", "Ties", "share"),
        *ranged("all_bad", "All bad", "share"),
        *ranged("cheapest_best", "Cheapest answer among the best", "share"),
    ),
    rows=(),
    note="95 % intervals by Wilson, requests taken for independent. An answer leaves by its deadline or not at all.",
    empty="No request here yet: point a client at this server (`ensemble serve`), or widen the period.",
)
