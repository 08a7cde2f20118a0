"""How an evaluation is printed: as a table, as JSON, and as the floors that a router may fall below."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from math import isnan
from typing import Any

from rich.console import Console

from ensemble.cli._judges import rounded
from ensemble.cli._output import columns, dollars, put, screen
from ensemble.cli._safe import safe
from ensemble.evaluating import Evaluation
from ensemble.plurals import counted
from ensemble.training.intervals import Interval
from ensemble.training.offpolicy import Estimate
from ensemble.training.panels import Gain, Panel, Panels
from ensemble.training.readings import READINGS, Accuracy, Reading
from ensemble.training.report import Line, Report
from ensemble.training.seats import Seat

FLOORS: Mapping[str, Callable[[Line], Interval]] = {
    "accuracy": lambda line: line.accuracy["ties_right"].value,
    "informative": lambda line: line.accuracy["informative"].value,
    "cheapest_best": lambda line: line.accuracy["cheapest_best"].value,
    "ratio": lambda line: line.ratio,
    "saved": lambda line: line.saved,
    "quality": lambda line: line.quality,
}
SHOWN: Mapping[Reading, str] = {
    "ties_right": "ties right",
    "informative": "informative",
    "cheapest_best": "cheapest best",
}
PANELS_SHOWN = 12


def short_of(report: Report, figure: str, floor: float) -> list[str]:
    """A sentence for each router whose figure is below ``floor``, or unknown."""
    found = []
    for line in report.routers:
        value = FLOORS[figure](line).point
        if not value >= floor:
            found.append(f"{line.name}: {figure} is {_number(value)}, below {floor:g}")
    return found


def plain(found: Evaluation, *, texts: bool) -> dict[str, object]:
    """An evaluation as JSON: NaN is null, money in nano-USD."""
    tree: dict[str, Any] = asdict(found.report) if found.report else {"lines": []}
    if not texts:
        for line in tree["lines"]:
            line["misroutes"] = [{**one, "text": None} for one in line["misroutes"]]
    if found.panels is not None:
        tree["panels"] = asdict(found.panels)
    tree["off_policy"] = {name: one if isinstance(one, str) else asdict(one) for name, one in found.offpolicy.items()}
    if found.asked.nano_usd or found.asked.unpriced:
        tree["asked"] = {**found.asked._asdict(), "unanswered": dict(found.unanswered)}
    whole: dict[str, object] = _known(rounded({"data": str(found.data), **tree}))
    return whole


def _known(tree: Any) -> Any:
    if isinstance(tree, float):
        return None if isnan(tree) else tree
    if isinstance(tree, Mapping):
        return {str(name): _known(value) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_known(value) for value in tree]
    return tree


def put_report(found: Evaluation) -> None:
    """Print the whole evaluation."""
    console, report = screen(), found.report
    if report is None:
        put_estimates(found)
        return
    put(console, (safe(str(found.data)), "bold"), f"  {_rows(report)}")
    put(console)
    columns(console, list(_table(report)), {}, fold=True)
    put(console)
    put(console, f"{_cheapest(report)} Best single member: {safe(report.best_single)}.")
    for line in report.routers:
        _put_router(console, line, report)
    put_estimates(found)
    if found.panels:
        _put_panels(console, found.panels)
    for name, told in found.unanswered.items():
        put(console, (safe(name), "bold"), f": {safe(told)}; there it did what it does where nobody answers.")
    if found.asked.nano_usd or found.asked.unpriced:
        put(console, f"Asking models cost {found.asked}, which is not in the log.")
    put(
        console, "In brackets: 95 % intervals by bootstrap over conversations. Saved is against the best single member."
    )


def _cheapest(report: Report) -> str:
    if len(report.unpriced) == len(report.members):
        return "Cheapest member: unknown, since no cost is."
    of = f", but the cost of {safe(', '.join(report.unpriced))} is unknown" if report.unpriced else ""
    often = f"it is among the best on {_share(report.cheapest_best)} of requests"
    return f"Cheapest member: {safe(report.cheapest)}; {often}{of}."


def _rows(report: Report) -> str:
    left = [f"{counted(report.rows, 'request')} in {counted(report.groups, 'group')}"]
    if report.incomplete:
        left.append(f"{report.incomplete:,} left out, since a member was not judged")
    if report.seen:
        left.append(f"{report.seen:,} left out, since a router was fitted on them")
    if report.left_out:
        left.append(f"without {', '.join(map(safe, report.left_out))}, of whom most labels know nothing")
    return "; ".join(left)


def _table(report: Report) -> Iterator[tuple[str, ...]]:
    yield ("", *SHOWN.values(), "quality ratio", "saved", "regret", "per request", "seconds")
    for line in report.lines:
        name = f"always {line.name}" if line.kind == "member" else line.name
        cost = line.nano_usd.point
        yield (
            safe(name) + ("*" if line.kind == "router" else ""),
            *(_number(line.accuracy[reading].value.point) for reading in READINGS),
            _share(line.ratio),
            _share(line.saved),
            _number(line.regret.point),
            dollars(None if isnan(cost) else round(cost)),
            "-" if isnan(line.seconds.point) else f"{line.seconds.point:.2f}",
        )


def _put_router(console: Console, line: Line, report: Report) -> None:
    put(console)
    put(console, (safe(line.name), "bold"), f"  digest {line.digest[:12]}")
    rows = [(SHOWN[reading], _beside(line.accuracy[reading])) for reading in READINGS]
    rows += [(f"{SHOWN[reading]}, people", _beside(one)) for reading, one in line.people.items()]
    if not line.people:
        on = counted(report.people, "request")
        rows.append(("people", f"said what is best on {on}; from 50 on accuracy is told"))
    rows += [("quality", _share(line.quality)), ("regret", _share(line.regret))]
    if line.frontier:
        front = line.frontier
        rows += [
            (f"saved at {level:.0%} of quality", f"{_share(saved)}, read off the frontier")
            for level, saved in front.saved.items()
        ]
        rows += [("AIQ, paper", _share(front.aiq)), ("AIQ, code", _share(front.aiq_code))]
        rows += [("APGR", _share(front.apgr)), ("CPT(50)", _share(front.cpt50)), ("CPT(80)", _share(front.cpt80))]
    if line.ece is not None:
        rows.append(("calibration error", f"{line.ece:.3f}"))
    if line.judged:
        rows.append(("judging", f"asked for on {counted(line.judged, 'request')}; its cost and time are in no figure"))
    if line.trust:
        rows.append(("trust", "its minima are not held: what it would refuse or escalate is served in these figures"))
    if line.without_plan:
        on = counted(line.without_plan, "request, which counts", "requests, which count")
        rows.append(("no plan", f"on {on} for nothing: {safe(line.problem)}"))
    columns(console, rows, {}, fold=True)


def put_estimates(found: Evaluation) -> None:
    """Print what routed traffic tells of each router."""
    for name, one in found.offpolicy.items():
        put(screen(), (f"{safe(name)}, from routed traffic: ", "bold"), safe(_estimated(one)))


def _estimated(one: Estimate | str) -> str:
    if isinstance(one, str):
        return one
    seen = counted(one.observations, "answer")
    return f"quality {_share(one.value)}, {one.method}, {one.effective:,.0f} effective of {seen}"


def _beside(one: Accuracy) -> str:
    return (
        f"{_share(one.value)}  n={one.rows:,}; always {safe(one.constant)} {_share(one.constant_value)}, "
        f"difference {_share(one.margin)}"
    )


def _put_panels(console: Console, found: Panels) -> None:
    put(console)
    put(console, ("Panels", "bold"), f"  {found.tried:,} of {found.possible:,} tried")
    header = ("quality", "per request", "seconds", "waits for", "panel")
    columns(console, [header, *map(_panel, (found.full, *found.best[-PANELS_SHOWN:]))], {}, fold=True)
    put(
        console,
        f"Smallest panel within 1 %: {safe(', '.join(found.smallest.members))}, waiting for {found.smallest.quorum}, "
        f"with {_share(found.smallest_ratio)} of the full panel's quality.",
    )
    put(console, "What the full panel has through each of them:")
    columns(
        console, [("", "quality", "per request", "seconds"), *map(_gain, (*found.members, found.judge))], {}, fold=True
    )
    if found.seats:
        put(console, "What the jury has through each of its seats, by a plain vote and the labels of the whole jury:")
        columns(
            console, [("seat", "quality", "changes the pick", "per request"), *map(_seat, found.seats)], {}, fold=True
        )
    put(
        console,
        "Judging is reckoned in proportion to the answers judged; of a request where its cost is unknown it is the "
        "mean of the others.",
    )


def _panel(one: Panel) -> tuple[str, ...]:
    cost = dollars(None if isnan(one.nano_usd) else round(one.nano_usd))
    return (f"{one.quality:.3f}", cost, _number(one.seconds), str(one.quorum), safe(" ".join(one.members)))


def _gain(one: Gain) -> tuple[str, ...]:
    cost = one.nano_usd.point
    money = "unknown cost" if isnan(cost) else ("-" if cost < 0 else "") + dollars(abs(round(cost)))
    return (safe(one.name), _share(one.quality), money, _number(one.seconds.point))


def _seat(one: Seat) -> tuple[str, ...]:
    cost = dollars(None if isnan(one.nano_usd) else round(one.nano_usd))
    return (safe(one.name), _share(one.quality), _share(one.changed), cost)


def _share(one: Interval) -> str:
    if isnan(one.point):
        return "-"
    if isnan(one.low):
        return f"{one.point:.3f} [?]"
    return f"{one.point:.3f} [{one.low:.3f}, {one.high:.3f}]"


def _number(value: float) -> str:
    return "-" if isnan(value) else f"{value:.3f}"
