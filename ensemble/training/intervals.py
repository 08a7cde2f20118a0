"""A figure with its interval, apart from the arithmetic that makes one, since that takes numpy along."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure with its 95 % interval; NaN where it is not defined."""

    point: float
    low: float
    high: float
