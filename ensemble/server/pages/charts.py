"""Geometry of charts: where things stand in an SVG that a template draws. Units are those of its ``viewBox``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 480.0, 290.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 16.0, 28.0, 40.0
"""Room for the labels around the plot."""
LINE, GLYPH = 13.0, 6.5
"""Height of a line of text and width of a letter."""
NAMED = 4
"""Steps that are named below lines, the first and the last among them."""
STEPS = 10
"""Shades of a heat map above the empty one."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of a plot.

    Attributes:
        ticks: position and value of each line across the plot.
    """

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[tuple[float, float], ...]

    def at(self, value: float) -> float:
        """Position of ``value``."""
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 2)


@dataclass(frozen=True, slots=True)
class Plot:
    """Two axes, and the rows of what is drawn with the positions ``px`` and ``py`` beside their values.

    Attributes:
        points: with ``ty`` too, the height of the label, and ``end``, whether it stands before its mark.
        paths: label and ``d`` of each line through the plot.
    """

    x: Axis
    y: Axis
    points: Sequence[Mapping[str, object]]
    paths: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One series as the ``d`` of a path, interrupted where a value is unknown, and its single points."""

    label: str
    path: str
    dots: Sequence[tuple[float, float, str, float]]


@dataclass(frozen=True, slots=True)
class Lines:
    """Series over the same steps; ``steps`` holds position and label of those that are named below."""

    y: Axis
    steps: Sequence[tuple[float, str]]
    series: Sequence[Line]


def part(value: float | None, most: float | None) -> float:
    """``value`` as per cent of ``most``, within 0 and 100; 0 where either is unknown."""
    if value is None or not most or not math.isfinite(value):
        return 0.0
    return round(min(100.0, max(0.0, value / most * 100)), 2)


def shade(value: float | None, low: float = 0.0, high: float = 1.0) -> str:
    """Number of the shade for ``value`` between ``low`` and ``high``; "" for unknown."""
    if value is None or not math.isfinite(value) or high <= low:
        return ""
    return str(round(min(1.0, max(0.0, (value - low) / (high - low))) * STEPS))


def most(rows: Sequence[Mapping[str, object]], *names: str) -> float:
    """The largest known number under ``names``; 0 where there is none."""
    return max((number for row in rows for name in names if (number := _number(row.get(name))) is not None), default=0)


def scatter(points: Sequence[Mapping[str, object]], paths: Sequence[Mapping[str, object]] = ()) -> Plot:
    """Points with a known ``x`` and ``y``, and lines ``{label, points: [(x, y)]}`` on the same axes."""
    known = [(row, *place) for row in points if (place := _place(row.get("x"), row.get("y")))]
    drawn = [(str(one["label"]), _places(one["points"])) for one in paths]
    places = [(x, y) for _, x, y in known] + [place for _, through in drawn for place in through]
    across = axis([x for x, _ in places], LEFT, WIDTH - RIGHT)
    up = axis([y for _, y in places], HEIGHT - BOTTOM, TOP)
    told = [(label, _path([(across.at(x), up.at(y)) for x, y in through])) for label, through in drawn if through]
    return Plot(across, up, _labelled([{**row, "px": across.at(x), "py": up.at(y)} for row, x, y in known]), told)


def lines(series: Sequence[Mapping[str, object]]) -> Lines:
    """Series ``{label, points: [(step, value or None)]}``; steps stand in the order in which they are first met."""
    rows = {str(one["label"]): _steps(one["points"]) for one in series}
    steps = list(dict.fromkeys(step for points in rows.values() for step, _ in points))
    room = (WIDTH - RIGHT - LEFT) / max(1, len(steps) - 1)
    at = {step: round(LEFT + room * n, 2) for n, step in enumerate(steps)}
    up = axis([y for points in rows.values() for _, y in points if y is not None], HEIGHT - BOTTOM, TOP)
    last = len(steps) - 1
    named = sorted({round(last * n / (NAMED - 1)) for n in range(NAMED)}) if steps else []
    drawn = []
    for label, points in rows.items():
        path, pen = list[str](), "M"
        for step, y in points:
            if y is not None:
                path.append(f"{pen}{at[step]} {up.at(y)}")
            pen = "M" if y is None else "L"
        dots = [(at[step], up.at(y), step, y) for step, y in points if y is not None]
        drawn.append(Line(label, "".join(path), dots))
    return Lines(up, [(at[steps[n]], steps[n]) for n in named], drawn)


def axis(values: Sequence[float], start: float, end: float) -> Axis:
    """An axis from ``start`` to ``end`` over ``values``, with round numbers as ticks."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low >= 0 and low < high / 2:
        low = 0.0
    if high <= low:
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    step = _round((high - low) / 4)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    made = Axis(low, high, start, end, ())
    ticks = (low + n * step for n in range(round((high - low) / step) + 1))
    return Axis(low, high, start, end, tuple((made.at(tick), round(tick, 12)) for tick in ticks))


def _round(step: float) -> float:
    """The next of 1, 2, 2.5, 5, 10 times a power of ten that is not smaller."""
    power = 10.0 ** math.floor(math.log10(step))
    return next((times * power for times in (1, 2, 2.5, 5) if times * power >= step * (1 - 1e-9)), 10 * power)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _labelled(points: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """``points`` with the places of their labels: beside the mark, or as near as no other label is in the way."""
    taken = list[tuple[float, float, float]]()
    told = list[Mapping[str, object]]()
    for row in points:
        x, y = _number(row["px"]) or 0.0, (_number(row["py"]) or 0.0) + 4
        wide, end = GLYPH * len(str(row.get("label", ""))), x > WIDTH * 0.7
        left = x - 8 - wide if end else x + 8
        steps = (step * LINE for near in range(len(points) + 1) for step in (near, -near))
        height = next((y + by for by in steps if _free(taken, left, left + wide, y + by)), y)
        taken.append((left, left + wide, height))
        told.append({**row, "ty": round(height, 2), "end": end})
    return told


def _free(taken: Sequence[tuple[float, float, float]], left: float, right: float, height: float) -> bool:
    inside = LINE <= height <= HEIGHT - BOTTOM
    return inside and all(right <= a or b <= left or abs(height - at) >= LINE - 1 for a, b, at in taken)


def _place(x: object, y: object) -> tuple[float, float] | None:
    across, up = _number(x), _number(y)
    return None if across is None or up is None else (across, up)


def _places(points: object) -> list[tuple[float, float]]:
    if not isinstance(points, Sequence):
        raise TypeError("points of a path are pairs of numbers")
    return [place for x, y in points if (place := _place(x, y))]


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in places)


def _steps(points: object) -> list[tuple[str, float | None]]:
    if not isinstance(points, Sequence):
        raise TypeError("points of a series are pairs of a step and a value")
    return [(str(step), _number(value)) for step, value in points]
