"""What members, judges and routers earn, as tables."""

from collections.abc import Mapping
from dataclasses import replace
from math import isnan

from ensemble.audit.cells import NONE, known, money, ranged, spread, spread_money
from ensemble.audit.shapes import Cell, Column, Table, Window
from ensemble.audit.worth import Saved, Worth, recent_worth
from ensemble.store.database import Database
from ensemble.training.panels import Gain, Panel
from ensemble.training.seats import Seat

MOST_PANELS = 12
"""Panels of the frontier that are shown: the best of them."""
_LABEL = (
    "These figures need requests of which every member was judged. A router of kind parallel with a judge makes them; "
    "so does a shadow share (table [routers.NAME.shadow]) or `ensemble label`."
)
Row = Mapping[str, Cell]


def earnings(db: Database, window: Window, query: Mapping[str, str]) -> dict[str, Table]:
    """The tables of ``worth_tables``, for a page or report."""
    return worth_tables(recent_worth(db, window))


def worth_tables(found: Worth) -> dict[str, Table]:
    """``found`` as the tables ``earned``, ``panels``, ``seats``, ``saved`` and ``cheapest``."""
    rows: dict[str, list[Row]] = {"saved": [_saved(one) for one in found.saved]}
    if tried := found.panels:
        rows["earned"] = [_gain(one) for one in (*tried.members, tried.judge)]
        rows["panels"] = [
            _panel("all members", tried.full),
            _panel("smallest within 1 %", tried.smallest),
            *(_panel("none is cheaper and better", one) for one in tried.best[-MOST_PANELS:]),
        ]
        rows["seats"] = [_seat(one) for one in tried.seats]
        rows["cheapest"] = [{"member": found.cheapest, "n": found.rows, **spread("best", found.cheapest_best)}]
    # Where requests were judged and none can be measured, the reason is the mend.
    mend = found.why if found.total else ""
    note = "" if mend else found.note
    return {
        one.name: replace(
            one,
            rows=rows.get(one.name, ()),
            note=" ".join(filter(None, (note, one.note))),
            empty=mend or one.empty,
        )
        for one in _TABLES
    }


def _gain(one: Gain) -> Row:
    return {
        "name": one.name,
        **spread("quality", one.quality),
        **spread_money("nano_usd", one.nano_usd),
        **spread("seconds", one.seconds),
    }


def _panel(which: str, one: Panel) -> Row:
    return {
        "which": which,
        "members": ", ".join(one.members),
        "quorum": one.quorum,
        "quality": known(one.quality),
        "nano_usd": money(one.nano_usd),
        "seconds": known(one.seconds),
    }


def _seat(one: Seat) -> Row:
    return {
        "seat": one.name,
        "n": one.rows,
        **spread("quality", one.quality),
        **spread("changed", one.changed),
        "nano_usd": money(one.nano_usd),
    }


def _saved(one: Saved) -> Row:
    row: dict[str, Cell] = {"router": one.router, "n": one.rows, "against": one.against, **spread("ratio", one.ratio)}
    # A saving is worth nothing to know without the quality that it was made at, and how sure that is.
    sure = not (isnan(one.ratio.low) or isnan(one.calls.low))
    calls, whole = (one.calls, one.whole) if sure else (NONE, NONE)
    return row | spread("saved", calls) | spread("whole", whole) | {"nano_usd": money(one.per_request)}


_TABLES = (
    Table(
        name="earned",
        title="What the full panel has through each",
        columns=(
            Column(name="name", title="Member or judge"),
            *ranged("quality", "Quality", "number"),
            *ranged("nano_usd", "Cost per request", "usd"),
            *ranged("seconds", "Seconds", "seconds"),
        ),
        rows=(),
        note=(
            "What would go without it: quality, cost and seconds per request. The judge is held against always serving "
            "the best single member. Judging is reckoned in proportion to the answers judged; of a request where its "
            "cost is unknown it is the mean of the others."
        ),
        empty=_LABEL,
    ),
    Table(
        name="panels",
        title="Smaller panels",
        columns=(
            Column(name="which", title="Panel"),
            Column(name="members", title="Members"),
            Column(name="quorum", title="Waits for", kind="count"),
            Column(name="quality", title="Quality", kind="number"),
            Column(name="nano_usd", title="Cost per request", kind="usd"),
            Column(name="seconds", title="Seconds", kind="seconds"),
        ),
        rows=(),
        note="Replayed: what the same labels say of fewer answers.",
        empty=_LABEL,
    ),
    Table(
        name="seats",
        title="What each judge of a jury is worth",
        columns=(
            Column(name="seat", title="Seat"),
            Column(name="n", title="Requests", kind="count"),
            *ranged("quality", "Quality", "number"),
            *ranged("changed", "Changes the pick", "share"),
            Column(name="nano_usd", title="Cost per request", kind="usd"),
        ),
        rows=(),
        note="By a plain vote, valued by the labels of the whole jury, which flatters every seat a little.",
        empty="No jury judged these requests; a judge of kind jury has seats.",
    ),
    Table(
        name="saved",
        title="Saved by the router that served",
        columns=(
            Column(name="router", title="Router"),
            Column(name="n", title="Requests", kind="count"),
            Column(name="against", title="Against always"),
            *ranged("ratio", "Quality ratio", "share"),
            *ranged("saved", "Saved on members", "share"),
            *ranged("whole", "Saved, judging and routing counted", "share"),
            Column(name="nano_usd", title="Cost per request", kind="usd"),
        ),
        rows=(),
        note=(
            "Against always asking the best single member, on the same requests; below zero it costs more. Where a "
            "router's whole panel is judged on hard requests alone, it is held to those."
        ),
        empty=_LABEL,
    ),
    Table(
        name="cheapest",
        title="The cheapest member among the best",
        columns=(
            Column(name="member", title="Cheapest member"),
            Column(name="n", title="Requests", kind="count"),
            *ranged("best", "Among the best", "share"),
        ),
        rows=(),
        note="Cheapest by mean cost per request.",
        empty=_LABEL,
    ),
)
