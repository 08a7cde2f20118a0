"""A report in one HTML file: no script, nothing from elsewhere, every text escaped."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING

from ensemble.money import NANO
from ensemble.plurals import counted
from ensemble.training import drawing
from ensemble.training.intervals import Interval
from ensemble.training.offpolicy import Estimate
from ensemble.training.panels import Panels
from ensemble.training.readings import READINGS
from ensemble.training.report import Report

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_TEXT = 600
"""Characters of a request that are shown."""


def page(
    report: Report,
    *,
    data: str,
    panels: Panels | None = None,
    offpolicy: Mapping[str, Estimate | str] | None = None,
    curves: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    texts: bool = True,
) -> str:
    """The report as HTML.

    ``curves`` holds, by router, its learning curve: (labels, quality). Without ``texts`` no text of a request is in it.
    """
    from markupsafe import Markup

    # The drawings escape what they are given themselves.
    return (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            data=data,
            panels=panels,
            offpolicy=offpolicy or {},
            texts=texts,
            readings=READINGS,
            frontier=Markup(drawing.frontier(report)),  # nosec B704 # noqa: S704
            calibrations={
                line.name: Markup(drawing.calibration(line.calibration))  # nosec B704 # noqa: S704
                for line in report.routers
            },
            curves={name: Markup(drawing.curve(points)) for name, points in (curves or {}).items() if points},  # nosec B704 # noqa: S704
        )
    )


def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ensemble.training", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {
        "counted": counted,
        "interval": _interval,
        "stacked": _stacked,
        "number": _number,
        "money": _money,
        "brief": _brief,
    }
    return environment


def _interval(one: Interval) -> str:
    if isnan(one.point):
        return "–"
    return f"{one.point:.3f}" + ("" if isnan(one.low) else f" [{one.low:.3f}, {one.high:.3f}]")


def _stacked(one: Interval) -> str:
    """As ``_interval``, the brackets on a line of their own: six of them side by side fit no screen."""
    from markupsafe import Markup

    point, _, brackets = _interval(one).partition(" ")
    return Markup("{} <small>{}</small>").format(point, brackets) if brackets else point


def _number(value: float | None) -> str:
    return "–" if value is None or isnan(value) else f"{value:.3f}"


def _money(nano_usd: float) -> str:
    return "unknown" if isnan(nano_usd) else f"${nano_usd / NANO:.6f}"


def _brief(text: str) -> str:
    whole = text.encode("utf-8", "replace").decode()
    return whole if len(whole) <= MOST_TEXT else whole[:MOST_TEXT] + " …"
