"""Drawings of a report as SVG: frontier, calibration, learning curve. Every text is escaped here."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from itertools import pairwise
from math import isnan, log10

import numpy as np

from ensemble.money import NANO
from ensemble.training.curves import hull
from ensemble.training.report import Report
from judges.calibration import Bin

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 860, 420, 60, 40, 16, 150
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, which the colour-blind tell apart; one per router, then again from the first."""
GREY = "#767676"
LINE, GLYPH = 13.0, 6.5
"""Height of a name and width of a letter, in pixels."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plane:
    """Where a value stands in the drawing."""

    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, point: Point) -> Point:
        across = (point[0] - self.x[0]) / (self.x[1] - self.x[0])
        up = (point[1] - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - TOP)


def frontier(report: Report) -> str:
    """Every router, baseline and member by cost and quality, with the frontiers; a sentence where no cost is known."""
    seen = [
        (line.name, line.kind, (log10(line.nano_usd.point / NANO), line.quality.point))
        for line in report.lines
        if line.nano_usd.point > 0
    ]
    if not seen:
        return "<p>No cost is known, so there is no frontier to draw.</p>"
    fronts = {
        line.name: [(log10(cost / NANO), quality) for cost, quality in line.frontier.points if cost > 0]
        for line in report.routers
        if line.frontier
    }
    plane = _plane([*(point for _, _, point in seen), *(point for points in fronts.values() for point in points)])
    colours = {line.name: COLOURS[place % len(COLOURS)] for place, line in enumerate(report.routers)}
    parts = [_axes(plane, _dollars, "cost per request", "quality")]
    members = [(10**x, y) for _, kind, (x, y) in seen if kind == "member"]
    parts.append(_line(plane, _trivial(members), GREY, dashed=True))
    parts += [_line(plane, points, colours[name]) for name, points in fronts.items()]
    heights = _heights([(name, plane.at(point)) for name, _, point in seen])
    for (name, kind, point), height in zip(seen, heights, strict=True):
        colour = colours[name] if kind == "router" else GREY
        parts.append(_dot(plane, point, name, colour, full=kind == "router", square=kind == "baseline", text_at=height))
    return _svg(parts, "Frontier: quality against cost per request of every router, baseline and member")


def calibration(bins: Sequence[Bin]) -> str:
    """Predicted against true quality, each dot as large as the number of predictions behind it."""
    known = [(one.stated, one.right, one.n) for one in bins if one.stated is not None and one.right is not None]
    if not known:
        return "<p>Nothing was predicted.</p>"
    plane = _Plane(x=(0.0, 1.0), y=(0.0, 1.0))
    most = max(n for _, _, n in known)
    parts = [
        _axes(plane, lambda value: f"{value:.1f}", "predicted", "true"),
        _line(plane, [(0, 0), (1, 1)], GREY, dashed=True),
    ]
    parts.append(_line(plane, [(x, y) for x, y, _ in known], COLOURS[0]))
    for x, y, n in known:
        across, up = plane.at((x, y))
        told = f"predicted {x:.3f}, true {y:.3f}, {n} predictions"
        parts.append(
            f'<circle cx="{across:.1f}" cy="{up:.1f}" r="{3 + 6 * (n / most) ** 0.5:.1f}" fill="{COLOURS[0]}" '
            f'fill-opacity="0.5"><title>{told}</title></circle>'
        )
    return _svg(parts, "Calibration: true against predicted quality")


def curve(points: Sequence[Point]) -> str:
    """Quality by number of labels."""
    plane = _plane(points)
    parts = [_axes(plane, lambda value: f"{value:.0f}", "labels", "quality"), _line(plane, points, COLOURS[0])]
    parts += [_dot(plane, point, f"{point[1]:.3f}", COLOURS[0], full=True) for point in points]
    return _svg(parts, "Learning curve: quality by number of labels")


def _dollars(exponent: float) -> str:
    return f"${Decimal(f'{10**exponent:.2g}'):f}"


def _heights(marks: Sequence[tuple[str, Point]]) -> list[float]:
    """Where names stand, from the top: beside their marks, or as near as no other name and no mark is in the way."""
    taken = [(x - 5, x + 5, y) for _, (x, y) in marks]
    heights = []
    for name, (x, y) in marks:
        begin, end = x + 6, x + 8 + GLYPH * len(name)
        steps = (LINE * step for near in range(2 * len(marks) + 1) for step in (near, -near))
        heights.append(next(y + by for by in steps if all(_apart(one, (begin, end, y + by)) for one in taken)))
        taken.append((begin, end, heights[-1]))
    return heights


def _apart(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    return one[1] < other[0] or other[1] < one[0] or abs(one[2] - other[2]) >= LINE - 1


def _trivial(members: Sequence[Point]) -> list[Point]:
    if not members:
        return []
    x, y = hull(*(np.array(column, dtype=np.float64) for column in zip(*members, strict=True)))
    # A mix of two members is a straight line in dollars, and so a bent one on this axis.
    steps = [np.linspace(a, b, 20) for a, b in pairwise(x)]
    costs = np.concatenate([x[:1], *steps])
    return [
        (log10(cost), quality) for cost, quality in zip(costs.tolist(), np.interp(costs, x, y).tolist(), strict=True)
    ]


def _plane(points: Iterable[Point]) -> _Plane:
    known = [point for point in points if not isnan(point[0]) and not isnan(point[1])]
    ranges = []
    for column in zip(*known, strict=True):
        low, high = min(column), max(column)
        room = 0.06 * (high - low) or 0.5 * abs(high) or 0.5
        ranges.append((low - room, high + room))
    return _Plane(x=ranges[0], y=ranges[1])


def _axes(plane: _Plane, label: Callable[[float], str], across: str, up: str) -> str:
    out = []
    for step in range(6):
        x, y = (low + step / 5 * (high - low) for low, high in (plane.x, plane.y))
        right, foot = plane.at((x, plane.y[0]))
        left, height = plane.at((plane.x[0], y))
        end = WIDTH - RIGHT
        out.append(f'<line x1="{left:.1f}" y1="{height:.1f}" x2="{end}" y2="{height:.1f}" class="grid"/>')
        out.append(f'<text x="{left - 6:.1f}" y="{height + 4:.1f}" text-anchor="end">{y:.2f}</text>')
        out.append(f'<text x="{right:.1f}" y="{foot + 16:.1f}" text-anchor="middle">{escape(label(x))}</text>')
    out.append(
        f'<text x="{(WIDTH - RIGHT + LEFT) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(across)}</text>'
    )
    out.append(f'<text x="{LEFT}" y="{TOP - 4}">{escape(up)}</text>')
    return "".join(out)


def _line(plane: _Plane, points: Sequence[Point], colour: str, *, dashed: bool = False) -> str:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(plane.at, points))
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5"{dash}/>'


def _dot(
    plane: _Plane,
    point: Point,
    name: str,
    colour: str,
    *,
    full: bool,
    square: bool = False,
    text_at: float | None = None,
) -> str:
    x, y = plane.at(point)
    fill = f'fill="{colour}"' if full else 'class="hollow"'
    height = y if text_at is None else text_at
    told = escape(name.encode("utf-8", "replace").decode())
    mark = (
        f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" {fill} stroke="{colour}"/>'
        if square
        else f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" {fill} stroke="{colour}"/>'
    )
    return f'<g>{mark}<text x="{x + 8:.1f}" y="{height + 4:.1f}">{told}</text></g>'


def _svg(parts: Iterable[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
