"""Strengths from comparisons: the Bradley-Terry model, with ridge, and how sure it is of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_ROUNDS = 100
_STILL = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class Strengths:
    """Log-odds strengths around a mean of 0 or of the prior, one per player, and their standard errors.

    P(i beats j) is 1 / (1 + exp(strength[j] - strength[i])).
    """

    strength: tuple[float, ...]
    error: tuple[float, ...]


def bradley_terry(
    players: int, wins: Mapping[tuple[int, int], float], *, ridge: float = 0.1, means: Sequence[float] = ()
) -> Strengths:
    """Fit strengths to ``wins[i, j]``, how often i beat j; a tie is half a win for each (Bradley and Terry 1952).

    ``ridge`` is the precision of a normal prior around ``means``, one log-odds strength per player, or around 0. It
    keeps a player that never lost finite, and it makes the answer unique where not everybody met. Newton's method; the
    errors come from the inverse of the curvature. A few dozen players take milliseconds.

    Raises:
        ValueError: ``ridge`` is not above 0, a count is negative, a player does not exist or has no mean.
    """
    if ridge <= 0:
        raise ValueError("ridge must be above 0, or strengths may be infinite")
    if any(count < 0 or not (0 <= i < players and 0 <= j < players) for (i, j), count in wins.items()):
        raise ValueError("wins must count players from 0 and be at least 0")
    if means and len(means) != players:
        raise ValueError(f"means must give one strength for each of {players} players")
    around = list(means) or [0.0] * players
    strength = list(around)
    for _ in range(_ROUNDS):
        slope, curve = _derivatives(strength, wins, ridge, around)
        step = [math.fsum(row[i] * slope[i] for i in range(players)) for row in _inverse(curve)]
        # A full step can overshoot where the data are one-sided; the likelihood is concave, so a bounded one will not.
        largest = max(map(abs, step), default=0.0)
        scale = min(1.0, 2.0 / largest) if largest else 1.0
        strength = [one + scale * move for one, move in zip(strength, step, strict=True)]
        if largest < _STILL:
            break
    _, curve = _derivatives(strength, wins, ridge, around)
    errors = tuple(math.sqrt(row[i]) for i, row in enumerate(_inverse(curve)))
    return Strengths(strength=tuple(strength), error=errors)


def _derivatives(
    strength: Sequence[float], wins: Mapping[tuple[int, int], float], ridge: float, around: Sequence[float]
) -> tuple[list[float], list[list[float]]]:
    """Slope of the log-likelihood, and its curvature with the sign turned, so that it is positive definite."""
    size = len(strength)
    slope = [-ridge * (one - mean) for one, mean in zip(strength, around, strict=True)]
    curve = [[ridge if i == j else 0.0 for j in range(size)] for i in range(size)]
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
    return slope, curve


def _inverse(matrix: Sequence[Sequence[float]]) -> list[list[float]]:
    """Gauss-Jordan; ``matrix`` is positive definite, so no pivot is 0 and none has to be looked for."""
    size = len(matrix)
    rows = [[*row, *(float(i == j) for j in range(size))] for i, row in enumerate(matrix)]
    for i in range(size):
        pivot = rows[i][i]
        rows[i] = [one / pivot for one in rows[i]]
        for j in range(size):
            if i != j and rows[j][i]:
                factor = rows[j][i]
                rows[j] = [one - factor * other for one, other in zip(rows[j], rows[i], strict=True)]
    return [row[size:] for row in rows]
