"""Routing accuracy in its three readings, apart from the arithmetic, which takes numpy along."""

from dataclasses import dataclass
from typing import Literal

from ensemble.training.intervals import Interval

Reading = Literal["ties_right", "informative", "cheapest_best"]
READINGS: tuple[Reading, ...] = ("ties_right", "informative", "cheapest_best")
"""``ties_right``: any member of the winning set is right. ``informative``: the same, on the requests on which not all
members are equally good. ``cheapest_best``: one member is right, the cheapest of the winning set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Routing accuracy in one reading.

    Attributes:
        rows: requests that count in this reading.
        value: share of them on which the choice is right.
        constant: the member that is right most often when it is always taken, chosen on these very rows.
        constant_value: how often it is.
        margin: ``value`` above ``constant_value``, paired by request.
    """

    reading: Reading
    rows: int
    value: Interval
    constant: str
    constant_value: Interval
    margin: Interval
