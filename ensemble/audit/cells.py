"""Figures as cells of a table: what is not defined is None, and an interval is three columns."""

from collections.abc import Mapping
from math import isfinite

from ensemble.audit.shapes import Cell, Column, Kind
from ensemble.training.intervals import Interval
from judges.agreement.rates import Z, wilson


def known(value: float | None) -> float | None:
    """``value``, or None where it is not a number or endless."""
    return None if value is None or not isfinite(value) else float(value)


def number(row: Mapping[str, object], name: str) -> float:
    """A number of a row from the store; a sum of nothing is 0."""
    value = row[name]
    return float(value) if isinstance(value, int | float) else 0.0


def count(row: Mapping[str, object], name: str) -> int:
    """The same as a whole number."""
    return int(number(row, name))


def money(nano_usd: float | None) -> int | None:
    """Nano-USD as a whole number; None where it is unknown."""
    return None if nano_usd is None or not isfinite(nano_usd) else round(nano_usd)


def spent(nano_usd: int, unknown: int, of: int) -> int | None:
    """The known part of a cost, to which ``of`` amounts add up; None where all of them are unknown."""
    return None if 0 < unknown == of else nano_usd


def ranged(name: str, title: str, kind: Kind) -> tuple[Column, Column, Column]:
    """A column with those of its 95 % interval."""
    low, high = f"{name}_low", f"{name}_high"
    return (
        Column(name=name, title=title, kind=kind, low=low, high=high),
        Column(name=low, title=f"{title}, from", kind=kind),
        Column(name=high, title=f"{title}, to", kind=kind),
    )


def spread(name: str, one: Interval) -> dict[str, Cell]:
    """The cells of ``ranged`` columns."""
    return {name: known(one.point), f"{name}_low": known(one.low), f"{name}_high": known(one.high)}


def spread_money(name: str, one: Interval) -> dict[str, Cell]:
    """The same in nano-USD."""
    return {name: money(one.point), f"{name}_low": money(one.low), f"{name}_high": money(one.high)}


def share(name: str, hits: float, of: int) -> dict[str, Cell]:
    """A share with Wilson's interval (1927); None of everything where nothing was counted.

    A hit may be a fraction, as that of a member that shares its win: its variance is less than that of a whole one, so
    the interval is then a little wide.
    """
    if of == 0:
        return spread(name, NONE)
    low, high = wilson(hits / of, of)
    return spread(name, Interval(point=hits / of, low=low, high=high))


def normal(point: float, error: float) -> Interval:
    """The 95 % interval of an estimate with this standard error."""
    return Interval(point=point, low=point - Z * error, high=point + Z * error)


NONE = Interval(point=float("nan"), low=float("nan"), high=float("nan"))


def short(digest: str) -> str:
    """Enough of a digest to know it by, as the commands print it."""
    return digest[:12]
