"""Whether a mean has fallen below a floor, decided after every observation without spending the error rate.

Source: Waudby-Smith and Ramdas 2023, Estimating means of bounded random variables by betting (JRSS B 86:1). Who bets
against "the mean is at least m" multiplies the capital by 1 + c * (m - x) / (1 - m), and cannot win where it is: by
Ville's inequality the capital ever reaches 1 / alpha with probability alpha at most, whenever one looks. Stakes c are
fixed and averaged. A mean that was good for long must not hide that it fell: a bet starts anew every so often, with
shares of the capital that sum to 1 over all starts, as in Shin, Ramdas and Rinaldo 2022, E-detectors.
"""

from typing import Any

import numpy as np

STAKES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
EVERY = 20
"""Observations between two starts; the j-th start has the share 1 / (j (j + 1))."""
GRID = np.arange(1, 100) / 100
"""Means for which the upper end is sought."""


class Betting:
    """Observations in [0, 1], one at a time, held against ``floor`` at the error rate ``alpha``.

    Attributes:
        n: observations so far.
        fell: whether the mean is, or was for a while, surely below ``floor``; once true it stays so.
    """

    def __init__(self, floor: float, alpha: float) -> None:
        self.n, self.fell = 0, False
        self._alpha, self._sum = alpha, 0.0
        self._floors = np.concatenate([[floor], GRID])
        self._stakes = np.array(STAKES) / (1 - self._floors)[:, None]
        self._capital: np.ndarray[Any, np.dtype[np.float64]] = np.zeros_like(self._stakes)
        self._cash = 1.0
        self._highest = np.ones_like(self._floors)

    @property
    def mean(self) -> float | None:
        """Of all observations; None where there is none."""
        return self._sum / self.n if self.n else None

    @property
    def at_most(self) -> float:
        """Upper end of the interval of the mean over the worst stretch; its probability holds at all times at once."""
        ruled_out = GRID[self._highest[1:] >= 1 / self._alpha]
        return float(ruled_out.min()) if ruled_out.size else 1.0

    def add(self, value: float) -> None:
        """Take in one observation."""
        if self.n % EVERY == 0:
            start = self.n // EVERY + 1
            self._capital += 1 / (start * (start + 1))
            self._cash = 1 / (start + 1)
        self.n += 1
        self._sum += value
        self._capital *= 1 + self._stakes * (self._floors - value)[:, None]
        # Beyond this everything is ruled out, and a product must not overflow.
        np.minimum(self._capital, 1e100, out=self._capital)
        self._highest = np.maximum(self._highest, self._cash + self._capital.mean(axis=1))
        self.fell = bool(self._highest[0] >= 1 / self._alpha)
