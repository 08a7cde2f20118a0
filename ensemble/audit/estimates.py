"""Shares and coefficients with their intervals as cells of a table."""

from ensemble.audit.cells import known, ranged
from ensemble.audit.shapes import Cell, Column, Kind
from judges.agreement import Estimate, Rate


def estimated(name: str, title: str, kind: Kind = "share") -> tuple[Column, ...]:
    """Columns of a figure with its interval and its n."""
    return (
        *ranged(name, title, "number" if kind == "number" else "share"),
        Column(name=f"{name}_n", title="n", kind="count"),
    )


def told(name: str, one: Rate | Estimate) -> dict[str, Cell]:
    """The cells of ``estimated`` columns."""
    return {name: known(one.value), f"{name}_low": known(one.low), f"{name}_high": known(one.high), f"{name}_n": one.n}
