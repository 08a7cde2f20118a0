"""The shapes in which figures leave this package: a page, a report, a CSV and a JSON file all show the same ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ensemble.store.audit.window import Window as Window

Cell = str | int | float | bool | None
"""A value of a table; None is unknown or does not apply, never 0. Texts may be hostile: whoever shows them escapes."""
Kind = Literal["text", "count", "number", "share", "usd", "seconds", "time", "request", "truth"]
"""How a column is shown: a share in [0, 1] as per cent; ``usd`` holds nano-USD; ``request`` is an id to link."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: key of the column in rows, CSV and JSON.
        title: heading on a page.
        low, high: names of columns with the 95 % interval of this one, shown with it; "" for none.
    """

    name: str
    title: str
    kind: Kind = "text"
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Figures in rows, which every page offers as CSV and JSON too.

    Attributes:
        name: in addresses and file names, such as ``members``.
        note: what a reader has to know: n, how it was sampled, what is simulated.
        empty: what to do where there are no rows yet.
        more: these are the first rows, and there are others.
        of: how many rows there are in all, where somebody counted them.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Cell]]
    note: str = ""
    empty: str = ""
    more: bool = False
    of: int | None = None
