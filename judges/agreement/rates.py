"""Shares and means that grow by one case at a time, in constant memory, each with its 95 % interval."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share in [0, 1], or a mean, of ``n`` observations with its 95 % interval; None where there is none."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(slots=True)
class Share:
    """A share of observations that come in clusters, such as the comparisons of one case.

    The interval is Wilson's (1927) at the effective number of observations (Dean and Pagano, 2015): comparisons of one
    case resemble each other, and to count them as independent would make it too narrow.
    """

    hits: float = 0.0
    n: int = 0
    clusters: int = 0
    _squares: float = 0.0  # sums over the clusters of hits², hits x n and n²
    _products: float = 0.0
    _sizes: float = 0.0

    def add(self, hits: float, of: int = 1) -> None:
        """Count one cluster of ``of`` observations; a tie is half a hit. An empty cluster counts for nothing."""
        if of == 0:
            return
        self.hits += hits
        self.n += of
        self.clusters += 1
        self._squares += hits * hits
        self._products += hits * of
        self._sizes += of * of

    @property
    def rate(self) -> Rate:
        """The share so far."""
        if self.n == 0:
            return Rate(value=None, low=None, high=None, n=0)
        p = self.hits / self.n
        low, high = wilson(p, self._effective(p))
        return Rate(value=p, low=low, high=high, n=self.n)

    def _effective(self, p: float) -> float:
        """How many independent observations would tell as much; the clusters where no cluster differs."""
        if self.clusters < 2 or self.n == self.clusters:
            return float(self.clusters)
        spread = self._squares - 2 * p * self._products + p * p * self._sizes
        variance = spread * self.clusters / (self.clusters - 1) / (self.n * self.n)
        if variance <= 1e-12:
            return float(self.clusters)
        return min(float(self.n), max(1.0, p * (1 - p) / variance))


@dataclass(slots=True)
class Mean:
    """The mean of numbers that may be unknown; ``total`` adds up the known ones."""

    total: float = 0
    n: int = 0
    unknown: int = 0
    _mean: float = 0.0
    _spread: float = 0.0  # sum of squared distances from the mean, by Welford (1962)

    def add(self, value: float | None) -> None:
        """Count one number."""
        if value is None:
            self.unknown += 1
            return
        self.total += value
        self.n += 1
        step = value - self._mean
        self._mean += step / self.n
        self._spread += step * (value - self._mean)

    @property
    def rate(self) -> Rate:
        """Mean of the known numbers with its normal interval, which needs two of them."""
        if self.n == 0:
            return Rate(value=None, low=None, high=None, n=0)
        if self.n == 1:
            return Rate(value=self._mean, low=None, high=None, n=1)
        half = Z * sqrt(self._spread / (self.n - 1) / self.n)
        return Rate(value=self._mean, low=self._mean - half, high=self._mean + half, n=self.n)


def wilson(p: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share ``p`` of ``n`` observations, which need not be whole numbers."""
    centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    # At the ends the interval ends there too, which rounding would miss by a hair.
    return max(0.0, centre - half) if p > 0 else 0.0, min(1.0, centre + half) if p < 1 else 1.0
