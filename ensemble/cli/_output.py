"""What commands print: rich on a terminal, plain in a pipe."""

import re
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ensemble.money import usd

_INTERVAL = re.compile(r" (?=\[[^\]]+\]$)")
"""The blank between a figure and its interval."""


def dollars(nano_usd: int | None) -> str:
    """A cost to look at: six decimals or fewer where that is exact, all of them below a hundredth of a cent."""
    if nano_usd is None:
        return "unknown cost"
    if nano_usd >= 100_000:
        nano_usd = round(nano_usd, -3)
    return f"${usd(nano_usd)}"


def screen() -> Console:
    """Standard output as it is now, so that a redirection within a test is seen."""
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def put(console: Console, *pieces: str | tuple[str, str], indent: int = 0) -> None:
    """Print one paragraph of plain and (text, style) pieces; wrapped to the width on a terminal, never in a pipe."""
    text = Text.assemble(*pieces)
    if console.is_terminal:
        console.print(Padding(text, (0, 0, 0, indent), expand=False) if indent else text)
        return
    for line in text.plain.split("\n"):
        console.file.write(f"{' ' * indent if line else ''}{line}\n")
    console.file.flush()


def columns(
    console: Console, rows: Sequence[tuple[str, ...]], styles: Mapping[str, str], indent: int = 2, *, fold: bool = False
) -> None:
    """Print ``rows`` in aligned columns; ``styles`` colours the words of the first one.

    What is wider than a terminal wraps as a whole or, with ``fold``, each cell within its column; where not even words
    fit, each row becomes a list under the headings, which are the first row.
    """
    widths = [max(map(len, column)) for column in zip(*(row[:-1] for row in rows), strict=True)]
    whole = indent + sum(width + 2 for width in widths) + max(len(row[-1]) for row in rows)
    if fold and console.is_terminal and whole > console.width:
        room = console.width - indent
        console.print(Padding(_folded(rows, styles, room) or _stacked(rows), (0, 0, 0, indent)))
        return
    for first, *rest in rows:
        cells = [cell.ljust(width) for cell, width in zip((first, *rest[:-1]), widths, strict=True)]
        put(console, (cells[0], styles.get(first, "")), "  ", "  ".join([*cells[1:], rest[-1]]).rstrip(), indent=indent)


def _folded(rows: Sequence[tuple[str, ...]], styles: Mapping[str, str], room: int) -> Table | None:
    """``rows`` in ``room`` characters, as a table that gives way between words, before intervals first.

    None where words do not fit as a whole: an id that is broken cannot be copied.
    """
    columns = [*zip(*rows, strict=True)]
    widths = [max((len(word) for cell in column for word in cell.split()), default=1) for column in columns]
    left = room - sum(widths) - 2 * (len(widths) - 1)
    if left < 0:
        return None
    apart = [max(len(line) for cell in column for line in _INTERVAL.sub("\n", cell).split("\n")) for column in columns]
    for wanted in (apart, [max(map(len, column)) for column in columns]):
        for at in sorted(range(len(widths)), key=lambda at: wanted[at] - widths[at]):
            more = max(0, min(left, wanted[at] - widths[at]))
            widths[at], left = widths[at] + more, left - more
    table = Table.grid(padding=(0, 2, 0, 0))
    for width in widths:
        table.add_column(width=width, overflow="fold")
    for row in rows:
        cells = [
            cell if len(cell) <= width else _INTERVAL.sub("\n", cell) for cell, width in zip(row, widths, strict=True)
        ]
        table.add_row(Text(cells[0], styles.get(row[0], "")), *map(Text, cells[1:]))
    return table


def _stacked(rows: Sequence[tuple[str, ...]]) -> Table:
    """Each row as a list: its first cell, and below it the others beside their headings, but for dashes."""
    headings, *body = rows
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for first, *rest in body:
        table.add_row(Text(headings[0]), Text(first, "bold"))
        for heading, cell in zip(headings[1:], rest, strict=True):
            if cell != "-":
                table.add_row(Text(f"  {heading}"), Text(cell))
    return table
