"""What commands print: rich on a terminal, plain in a pipe."""

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from ensemble.money import usd


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


def columns(console: Console, rows: Sequence[tuple[str, ...]], styles: Mapping[str, str], indent: int = 2) -> None:
    """Print ``rows`` in aligned columns; ``styles`` colours the words of the first one."""
    widths = [max(map(len, column)) for column in zip(*(row[:-1] for row in rows), strict=True)]
    for first, *rest in rows:
        cells = [cell.ljust(width) for cell, width in zip((first, *rest[:-1]), widths, strict=True)]
        put(console, (cells[0], styles.get(first, "")), "  ", "  ".join([*cells[1:], rest[-1]]).rstrip(), indent=indent)
