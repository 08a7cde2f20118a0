"""The shapes in which figures leave this package: a page, a report, a CSV and a JSON file all show the same ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Cell = str | int | float | bool | None
"""A value of a table; None is unknown or does not apply, never 0. Texts may be hostile: whoever shows them escapes."""
Kind = Literal["text", "count", "number", "share", "usd", "seconds", "time", "request", "truth"]
"""How a column is shown: a share in [0, 1] as per cent; ``usd`` holds nano-USD; ``request`` is an id to link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which part of the log figures are about: the filters that every page keeps in its address.

    Attributes:
        since: first UTC day, such as 2026-11-23; "" for all.
        until: last UTC day; "" for all.
        router: name of a router (``requests.model``); None for all.
    """

    since: str = ""
    until: str = ""
    router: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
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
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Cell]]
    note: str = ""
    empty: str = ""
