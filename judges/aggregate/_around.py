"""Strengths that are already about known: Bradley-Terry around prior means. Plain Python, for every request."""

import math
from collections.abc import Mapping, Sequence

_ROUNDS = 100
_STILL = 1e-10


def strengths_around(
    means: Sequence[float], wins: Mapping[tuple[int, int], float], *, precision: float
) -> tuple[float, ...]:
    """The most probable log-odds strengths after ``wins[i, j]``, how often i beat j, a tie being half a win for each.

    The prior of each player is normal around its mean, with ``precision``; choix has none with means. Newton's method;
    a handful of players take well under a millisecond, and no numerics have to be imported for it.

    Raises:
        ValueError: ``precision`` is not above 0, a count is negative, or a player has no mean.
    """
    size = len(means)
    if not precision > 0:
        raise ValueError("precision must be above 0, or strengths may be infinite")
    if any(not count >= 0 or not (0 <= i < size and 0 <= j < size) for (i, j), count in wins.items()):
        raise ValueError("wins must count players from 0 and be at least 0")
    strength = list(means)
    for _ in range(_ROUNDS):
        slope = [-precision * (one - mean) for one, mean in zip(strength, means, strict=True)]
        step = _solved(_curve(strength, wins, precision, slope), slope)
        # A full step can overshoot where the data are one-sided; the likelihood is concave, so a bounded one will not.
        largest = max(map(abs, step), default=0.0)
        scale = min(1.0, 2.0 / largest) if largest else 1.0
        strength = [one + scale * move for one, move in zip(strength, step, strict=True)]
        if largest < _STILL:
            break
    return tuple(strength)


def _curve(
    strength: Sequence[float], wins: Mapping[tuple[int, int], float], precision: float, slope: list[float]
) -> list[list[float]]:
    """The curvature with its sign turned, so that it is positive definite; adds the slope of the wins to ``slope``."""
    size = len(strength)
    curve = [[precision if i == j else 0.0 for j in range(size)] for i in range(size)]
    for (i, j), count in wins.items():
        if i == j:
            continue
        upset = 1 / (1 + math.exp(max(-700.0, min(700.0, strength[i] - strength[j]))))
        slope[i] += count * upset
        slope[j] -= count * upset
        bend = count * upset * (1 - upset)
        curve[i][i] += bend
        curve[j][j] += bend
        curve[i][j] -= bend
        curve[j][i] -= bend
    return curve


def _solved(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Gauss-Jordan; ``matrix`` is positive definite, so no pivot is 0 and none has to be looked for."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i in range(len(rows)):
        rows[i] = [one / rows[i][i] for one in rows[i]]
        for j in range(len(rows)):
            if i != j and rows[j][i]:
                factor = rows[j][i]
                rows[j] = [one - factor * other for one, other in zip(rows[j], rows[i], strict=True)]
    return [row[-1] for row in rows]
