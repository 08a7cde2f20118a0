"""What came in, how it went and what it cost: the figures of ``ensemble log stats``."""

from collections.abc import Mapping
from dataclasses import replace

from ensemble.audit.cells import count, number, ranged, share
from ensemble.audit.shapes import Cell, Column, Table, Window
from ensemble.store.audit import traffic
from ensemble.store.database import Database
from ensemble.store.queries import Tree

Row = Mapping[str, Cell]


def routers(db: Database, window: Window) -> Table:
    """One row per router that was asked."""
    return replace(_ROUTERS, rows=[_requests(row, "router") for row in traffic.requests(db, "router", window)])


def days(db: Database, window: Window) -> Table:
    """One row per UTC day."""
    return replace(_DAYS, rows=[_requests(row, "day") for row in traffic.requests(db, "day", window)])


def calls(db: Database, window: Window) -> Table:
    """One row per member that was called, judges' models included."""
    return replace(_CALLS, rows=[_call(row) for row in traffic.calls(db, "member", window)])


def cost(db: Database, window: Window) -> Table:
    """One row per purpose of calls, the dearest first."""
    rows = {str(row["purpose"]): row for row in traffic.calls(db, "purpose", window)}
    whole = sum(count(row, "nano_usd") for row in rows.values())
    found = [
        {
            "purpose": told,
            "calls": count(rows[name], "calls"),
            "nano_usd": (known := _known(rows[name])),
            "part": None if known is None or not whole else known / whole,
            "unpriced": count(rows[name], "unpriced"),
        }
        for name, told in _PURPOSES.items()
        if name in rows
    ]
    return replace(_COST, rows=found)


def _requests(row: Tree, name: str) -> Row:
    counts = {one: count(row, one) for one in _COUNTS}
    ended = counts["answered"] + counts["failed"] + counts["cancelled"]
    return {
        name: str(row[name]),
        **counts,
        **share("answered_share", counts["answered"], ended),
        "mean_s": None if row["mean_s"] is None else number(row, "mean_s"),
    }


def _call(row: Tree) -> Row:
    sums = {one: count(row, one) for one in _SUMS}
    return {"member": str(row["member"]), **sums, "nano_usd": _known(row)}


def _known(row: Tree) -> int | None:
    return None if row["nano_usd"] is None else count(row, "nano_usd")


_COUNTS = ("requests", "answered", "failed", "cancelled", "fallbacks", "overturned")
_SUMS = ("calls", "failures", "nano_usd", "unpriced")
_REQUESTS = (
    Column(name="requests", title="Requests", kind="count"),
    Column(name="answered", title="Answered", kind="count"),
    Column(name="failed", title="Failed", kind="count"),
    Column(name="cancelled", title="Cancelled", kind="count"),
    Column(name="fallbacks", title="Fallbacks", kind="count"),
    Column(name="overturned", title="Overturned", kind="count"),
    *ranged("answered_share", "Share answered", "share"),
    Column(name="mean_s", title="Mean seconds", kind="seconds"),
)
_NOTE = (
    "Requests that were stored or imported for their labels count as requests and were never answered. A fallback chose"
    " where no judge did; overturned are answers that a later verdict of the whole panel found beaten."
)
_EMPTY = "No request here yet: point a client at this server (`ensemble serve`), or widen the period."
_ROUTERS = Table(
    name="routers",
    title="Traffic by router",
    columns=(Column(name="router", title="Router"), *_REQUESTS),
    rows=(),
    note=_NOTE,
    empty=_EMPTY,
)
_DAYS = Table(
    name="days",
    title="Traffic by day",
    columns=(Column(name="day", title="Day (UTC)"), *_REQUESTS),
    rows=(),
    note=_NOTE,
    empty=_EMPTY,
)
_PURPOSES = {
    "candidate": "Members, for answers",
    "shadow": "Members, for labels alone",
    "judge": "Judging",
    "router": "Routing",
}
_COST = Table(
    name="cost",
    title="Where the money went",
    columns=(
        Column(name="purpose", title="What for"),
        Column(name="calls", title="Calls", kind="count"),
        Column(name="nano_usd", title="Known cost", kind="usd"),
        Column(name="part", title="Share", kind="share"),
        Column(name="unpriced", title="Calls of unknown cost", kind="count"),
    ),
    rows=(),
    note="Every attempt counts, retries and stragglers too.",
    empty="No call here yet.",
)
_CALLS = Table(
    name="calls",
    title="Calls by member",
    columns=(
        Column(name="member", title="Member"),
        Column(name="calls", title="Calls", kind="count"),
        Column(name="failures", title="Failures", kind="count"),
        Column(name="nano_usd", title="Known cost", kind="usd"),
        Column(name="unpriced", title="Of unknown cost", kind="count"),
    ),
    rows=(),
    note="Every attempt of the ledger, whoever asked and whatever came of it, on the day on which it began.",
    empty="No call here yet.",
)
