"""The figures once more, written straight from their definitions with loops: slow, and independent of numpy's ways."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

Rows = Sequence[Sequence[float]]


def readings(quality: Rows, cost: Rows, choice: Sequence[int]) -> dict[str, float]:
    """Routing accuracy in its three readings; mean costs and qualities break the ties of the third."""
    members = range(len(quality[0]))
    better = [sum(row[m] for row in quality) for m in members]
    counts = {"ties_right": [0, 0], "informative": [0, 0], "cheapest_best": [0, 0]}
    for scores, prices, pick in zip(quality, cost, choice, strict=True):
        best = [m for m in members if scores[m] == max(scores)]
        if max(scores) <= 0:
            continue
        one = sorted(best, key=lambda m: (prices[m], -better[m], m))[0]
        for name, counted, right in (
            ("ties_right", True, pick in best),
            ("informative", len(best) < len(members), pick in best),
            ("cheapest_best", True, pick == one),
        ):
            counts[name][0] += counted and right
            counts[name][1] += counted
    return {name: hits / rows if rows else float("nan") for name, (hits, rows) in counts.items()}


def pair_points(
    scores: Sequence[float], weak: Sequence[float], strong: Sequence[float]
) -> list[tuple[Fraction, Fraction]]:
    """Share of strong calls and quality at every threshold, from none to all, without rounding."""
    n, out = len(scores), []
    for threshold in [float("inf"), *sorted(set(scores), reverse=True)]:
        sent = [score >= threshold for score in scores]
        got = [s if up else w for up, w, s in zip(sent, weak, strong, strict=True)]
        out.append((Fraction(sum(sent), n), sum(map(Fraction, got), Fraction(0)) / n))
    return out


def apgr(scores: Sequence[float], weak: Sequence[float], strong: Sequence[float]) -> float:
    points = pair_points(scores, weak, strong)
    low, high = points[0][1], points[-1][1]
    gaps = [(calls, (quality - low) / (high - low)) for calls, quality in points]
    return float(sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(gaps)))


def cpt(scores: Sequence[float], weak: Sequence[float], strong: Sequence[float], level: float) -> float:
    points = pair_points(scores, weak, strong)
    wanted = points[0][1] + Fraction(str(level)) * (points[-1][1] - points[0][1])
    for (x0, y0), (x1, y1) in pairwise(points):
        if y0 < wanted <= y1:
            return float(x0 + (wanted - y0) / (y1 - y0) * (x1 - x0))
    return 0.0 if points[0][1] >= wanted else float("nan")


def height(points: Sequence[tuple[float, float]], at: float) -> float:
    """The best quality that a mix of two points has for at most ``at``."""
    best = max((y for x, y in points if x <= at), default=float("-inf"))
    for x0, y0 in points:
        for x1, y1 in points:
            if x0 <= at < x1:
                best = max(best, y0 + (y1 - y0) * (at - x0) / (x1 - x0))
    return best


def aiq(points: Sequence[tuple[float, float]], low: float, high: float) -> float:
    """Mean height over [low, high], by adding up trapezoids between all costs at which a hull can bend."""
    ends = sorted({low, high, *(x for x, _ in points if low < x < high)})
    heights = [height(points, x) for x in ends]
    area = sum((b - a) * (h + k) / 2 for a, b, h, k in zip(ends, ends[1:], heights, heights[1:], strict=False))
    return area / (high - low)


def exact_mean(values: Sequence[float]) -> float:
    """The mean without rounding on the way."""
    return float(sum(map(Fraction, values), Fraction(0)) / len(values))
