"""Routers beside every member and baseline, as ``ensemble evaluate`` measures them, in tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ensemble.audit.cells import known, money, short, spread, spread_money
from ensemble.audit.router_shapes import SHOWN, TABLES
from ensemble.audit.shapes import Cell, Table, Window
from ensemble.errors import InvalidRequest
from ensemble.plurals import counted
from ensemble.store.audit.drawn import Drawn
from ensemble.store.audit.panels import whole_panels
from ensemble.store.database import Database
from ensemble.store.examples import examples_of
from ensemble.training.readings import READINGS, Accuracy
from ensemble.training.report import Line, Report
from ensemble.types import RequestId

if TYPE_CHECKING:
    from ensemble.training.held import Held

MOST = 1000
"""Labels that routers are measured on: with more of them in the window, these are drawn."""
MOST_TEXT = 300
"""Characters of a misrouted request that are shown."""
Row = Mapping[str, Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What routers came to on labels of the log.

    Attributes:
        drawn: the labels; ``why`` is the sentence why nothing could be measured on them, "" where something was.
        curves: learning curves (labels, quality) by router.
        left_out: why a router of the configuration was not measured, by name.
        configured: there is a configuration, without which no router is known.
    """

    drawn: Drawn
    report: Report | None = None
    why: str = ""
    curves: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    configured: bool = True


def labels(db: Database, window: Window, most: int = MOST) -> "tuple[Held, Drawn]":
    """The labels of whole panels in ``window``, ``most`` of them where there are more."""
    from ensemble.training.held import hold  # late, as below: it takes numpy along, and who asks has time

    ids, of = whole_panels(db, most, window)
    held = hold(one for one in examples_of(db, ids) if one.label.complete)
    return held, Drawn(tuple(map(RequestId, ids)), of, "requests with a whole panel")


def without_routers(db: Database, window: Window, most: int = MOST) -> Measured:
    """Members and baselines alone, for a log without its configuration."""
    from ensemble.training.evaluate import evaluate, measurable

    held, sample = labels(db, window, most)
    try:
        rows, frame = measurable(held, frozenset())
    except InvalidRequest as error:
        return Measured(drawn=sample, why=str(error), configured=False)
    return Measured(drawn=sample, report=evaluate(rows, frame, ()), configured=False)


def router_tables(found: Measured) -> dict[str, Table]:
    """``found`` as the tables of ``TABLES``, by name."""
    lines = found.report.lines if found.report else ()
    routers = found.report.routers if found.report else ()
    rows: dict[str, list[Row]] = {
        "measured": list(map(_line, lines)),
        "accuracy": [row for line in lines if line.kind != "baseline" for row in _accuracy(line)],
        "frontier": [row for line in lines for row in _points(line)],
        "whole": [row for line in lines for row in _figures(line)],
        "calibration": [row for line in routers for row in _calibration(line)],
        "curves": [
            {"router": name, "labels": round(n), "quality": quality}
            for name, points in found.curves.items()
            for n, quality in points
        ],
        "misroutes": [row for line in routers for row in _misroutes(line)],
        "picks": [row for line in routers for row in _picks(line, found.report)],
    }
    # Why there is nothing is said once.
    said = {"measured": note(found)}
    return {
        name: replace(table, rows=rows[name], note=said.get(name, table.note), empty=found.why or table.empty)
        for name, table in TABLES.items()
    }


def note(found: Measured) -> str:
    """On what was measured, and what was left out."""
    told = [found.drawn.note]
    if report := found.report:
        told.append(f"Measured on {report.rows:,} in {counted(report.groups, 'group')}.")
        if report.incomplete:
            told.append(f"{report.incomplete:,} left out, since a member was not judged.")
        if report.seen:
            told.append(f"{report.seen:,} left out, since a router was fitted on them.")
        if report.left_out:
            told.append(f"Without {', '.join(report.left_out)}, of whom most labels know nothing.")
        told.append(
            f"Ratio and saved are against {report.best_single}, the best single member. Intervals: 95 %, bootstrap "
            f"over conversations, {report.draws} draws."
        )
    if not found.configured:
        told.append("No router is measured: that needs the configuration (`--config`).")
    told += [f"Not measured: {name}: {why}." for name, why in found.left_out.items()]
    return " ".join(told)


def _line(one: Line) -> Row:
    row: dict[str, Cell] = {"router": one.name, "kind": one.kind, "rows": one.rows}
    for reading in READINGS:
        row |= spread(reading, one.accuracy[reading].value)
    return row | {
        **spread("quality", one.quality),
        **spread("ratio", one.ratio),
        **spread("saved", one.saved),
        **spread("regret", one.regret),
        **spread_money("nano_usd", one.nano_usd),
        **spread("seconds", one.seconds),
        "calibration_error": known(one.ece),
        "without_plan": one.without_plan,
        "judged": one.judged,
        "digest": short(one.digest),
    }


def _accuracy(one: Line) -> Iterator[Row]:
    for by, readings in (("judges", one.accuracy), ("people", one.people)):
        for reading in readings.values():
            yield {"router": one.name, "labels_of": by, **_beside(reading)}


def _beside(one: Accuracy) -> dict[str, Cell]:
    return {
        "reading": SHOWN[one.reading],
        "n": one.rows,
        **spread("value", one.value),
        "constant": one.constant,
        **spread("constant_value", one.constant_value),
        **spread("margin", one.margin),
    }


def _points(one: Line) -> Iterator[Row]:
    """Where the line stands, and what lambda makes of its predictions."""
    cost = money(one.nano_usd.point)
    yield {"router": one.name, "kind": one.kind, "nano_usd": cost, "quality": known(one.quality.point)}
    for nano_usd, quality in one.frontier.points if one.frontier else ():
        yield {"router": one.name, "kind": "frontier", "nano_usd": money(nano_usd), "quality": quality}


def _figures(one: Line) -> Iterator[Row]:
    if one.frontier is None:
        return
    front = one.frontier
    told = {f"saved at {level:.0%} of the best single member's quality": saved for level, saved in front.saved.items()}
    told |= {"AIQ, paper form": front.aiq, "AIQ, code form": front.aiq_code, "APGR": front.apgr}
    told |= {"CPT(50)": front.cpt50, "CPT(80)": front.cpt80}
    for name, value in told.items():
        yield {"router": one.name, "figure": name, **spread("value", value)}


def _calibration(one: Line) -> Iterator[Row]:
    for each in one.calibration:
        if each.n:
            yield {
                "router": one.name,
                "from": each.low,
                "to": each.high,
                "n": each.n,
                "stated": known(each.stated),
                "right": known(each.right),
            }


def _misroutes(one: Line) -> Iterator[Row]:
    for each in one.misroutes:
        text = each.text if len(each.text) <= MOST_TEXT else f"{each.text[:MOST_TEXT]} …"
        yield {
            "router": one.name,
            "request": each.id,
            "taken": each.taken,
            "best": each.best,
            "lost": each.lost,
            "text": text,
        }


def _picks(one: Line, report: Report | None) -> Iterator[Row]:
    members = report.members if report else ()
    for best, counts in zip(members, one.confusion, strict=True):
        for taken, count in zip(members, counts, strict=True):
            if count:
                yield {"router": one.name, "best": best, "taken": taken, "requests": count}
