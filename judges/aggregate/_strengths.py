"""Strengths from comparisons: the Bradley-Terry model, regularized, and how sure it is of them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from judges.types import CandidateId, Preference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_ROUNDS = 100
_STILL = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class Strengths:
    """Log-odds strengths around a mean of 0, one per player, and their standard errors.

    P(i beats j) is 1 / (1 + exp(strength[j] - strength[i])).
    """

    strength: tuple[float, ...]
    error: tuple[float, ...]


def won(preference: Preference) -> float | None:
    """The share of a win in [0, 1] that the first shown gets, the second getting the rest; None without a verdict.

    A win of strength s counts (1 + s) / 2: "somewhat better" of five labels is 0.75 to 0.25, and where s is
    P(winner) - P(loser) a tie's probability falls to both in halves. Of unknown strength it counts in full.
    """
    if preference.outcome == "none":
        return None
    if preference.outcome == "tie":
        return 0.5
    share = (1 + (1.0 if preference.strength is None else preference.strength)) / 2
    return share if preference.outcome == "first" else 1 - share


def share_of(one: CandidateId, comparisons: Iterable[Preference]) -> float | None:
    """The mean share of a win that ``comparisons`` with ``one`` give it; None where none of them has a verdict."""
    said = [(comparison.shown[0], won(comparison)) for comparison in comparisons]
    shares = [share if first == one else 1 - share for first, share in said if share is not None]
    return math.fsum(shares) / len(shares) if shares else None


def bradley_terry(players: int, wins: Mapping[tuple[int, int], float], *, ridge: float = 0.1) -> Strengths:
    """Fit strengths to ``wins[i, j]``, how often i beat j; a tie is half a win for each (Bradley and Terry 1952).

    choix fits them by iterated Luce spectral ranking (Maystre and Grossglauser 2015), fractional counts included; a few
    Newton steps then settle the last digits, which also rescues one-sided counts on which the iteration crawls.

    ``ridge`` is how many further comparisons, all of them ties, each pair is taken to have had. It keeps a player that
    never lost finite, and makes the answer unique where not everybody met. It is not choix's own ``alpha``: that adds
    even rates to the Markov chain and so lifts a player that nobody met above the mean. The errors come from the
    observed information, ``ridge`` included. A few dozen players take milliseconds.

    Raises:
        ValueError: ``ridge`` is not above 0, a count is negative, or a player does not exist.
    """
    if not ridge > 0:
        raise ValueError("ridge must be above 0, or strengths may be infinite")
    if any(not count >= 0 or not (0 <= i < players and 0 <= j < players) for (i, j), count in wins.items()):
        raise ValueError("wins must count players from 0 and be at least 0")
    if players < 2:
        return Strengths(strength=(0.0,) * players, error=(0.0,) * players)
    import numpy as np

    counts = np.full((players, players), ridge / 2)
    for (i, j), count in wins.items():
        counts[i, j] += count
    np.fill_diagonal(counts, 0.0)
    strength = _start(counts)
    for _ in range(_ROUNDS):
        upset, information, anchor = _curve(counts, strength)
        slope = (counts * upset).sum(axis=1) - (counts * upset).sum(axis=0)
        step = np.linalg.solve(information + anchor, slope)
        # A full step can overshoot where the data are one-sided; the likelihood is concave, so a bounded one will not.
        strength = strength + step * min(1.0, 2.0 / max(2.0, float(np.abs(step).max())))
        if np.abs(step).max() < _STILL:
            break
    strength = strength - strength.mean()
    _, information, anchor = _curve(counts, strength)
    error = np.sqrt(np.maximum(0.0, np.diag(np.linalg.inv(information + anchor)) - 1 / anchor.sum()))
    return Strengths(strength=tuple(map(float, strength)), error=tuple(map(float, error)))


def _start(counts: "Floats") -> "Floats":
    import choix

    try:
        found: Floats = choix.ilsr_pairwise_dense(counts, max_iter=_ROUNDS, tol=1e-6)
    except RuntimeError:  # it did not converge
        found = choix.lsr_pairwise_dense(counts)
    return found


def _curve(counts: "Floats", strength: "Floats") -> tuple["Floats", "Floats", "Floats"]:
    """P(the loser would have won) for each pair, the observed information, and what to add to make it invertible.

    Strengths are known up to a constant only; the last matrix holds their mean fixed and changes nothing else.
    """
    import numpy as np

    upset = 1 / (1 + np.exp(np.clip(strength[:, None] - strength[None, :], -700, 700)))
    bend = (counts + counts.T) * upset * (1 - upset)
    information = np.diag(bend.sum(axis=1)) - bend
    return upset, information, np.full(counts.shape, max(1e-12, float(np.trace(information))) / len(counts) ** 2)


def errors_by_case(found: Strengths, comparisons: Iterable[tuple[int, int, int, float]]) -> tuple[float, ...]:
    """Standard errors of ``found`` that hold where the comparisons of one case resemble one another.

    The sandwich of the information and of what the cases, taken whole, add to the slope (Huber 1967): a case in which
    one of five answers beats the four others says less than four independent comparisons do. Each comparison is (case,
    i, j, share of a win of i), cases numbered from 0; they may be a sample of those that ``found`` was fitted to.
    """
    import numpy as np

    players = len(found.strength)
    rows = list(comparisons)
    if players < 2 or not rows:
        return (float("inf"),) * players
    table = np.array(rows, dtype=np.float64)
    case, one, other = (table[:, column].astype(np.int64) for column in range(3))
    strength = np.array(found.strength)
    surprise = table[:, 3] - 1 / (1 + np.exp(np.clip(strength[other] - strength[one], -700, 700)))
    slopes = np.zeros((int(case.max()) + 1, players))
    np.add.at(slopes, (case, one), surprise)
    np.add.at(slopes, (case, other), -surprise)
    counts = np.zeros((players, players))
    np.add.at(counts, (one, other), 1.0)
    _, information, anchor = _curve(counts, strength)
    bread = np.linalg.pinv(information + anchor)
    spread = np.diag(bread @ (slopes.T @ slopes) @ bread)
    return tuple(float(value) for value in np.sqrt(np.maximum(0.0, spread)))
