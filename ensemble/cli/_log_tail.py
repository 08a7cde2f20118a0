"""``ensemble log tail``."""

import json
import time
from pathlib import Path

import click
from rich.console import Console

from ensemble.cli import _options
from ensemble.cli._log_shared import cost, log_file, put_json
from ensemble.cli._output import columns, put, screen
from ensemble.cli._safe import brief
from ensemble.store.address import Address
from ensemble.store.keeping.browse import page
from ensemble.store.keeping.connect import reading
from ensemble.store.queries import Tree
from ensemble.store.texts import KEPT

_LEAST, _MOST = 24, 60
"""Characters of a prompt: fewer are no help in a table, so a request takes two lines there."""
_HEAD = ("id", "arrived (UTC)", "status", "model", "answered by", "took", "cost", "prompt")


@click.command(epilog="Example: ensemble log tail -n 5")
@_options.config
@_options.log
@click.option("-n", "--number", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many.")
@click.option("--where", default="TRUE", help="Which: an SQL condition on the columns of requests.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@_options.as_json
def command(config: Path, *, db: Address | None, number: int, where: str, follow: bool, as_json: bool) -> None:
    """List the newest requests, the newest last."""
    path = log_file(config, db)
    with reading(path) as log:
        found = page(log, number, where=where)[::-1]
    listing = _Listing()
    if not follow:
        put_json({"log": str(path), "requests": found}) if as_json else listing.add(found)
        if not (found or as_json):
            click.echo("No request.", err=True)
        return
    last = ""
    while True:
        if found:
            last = str(found[-1]["id"])
            _lines(found) if as_json else listing.add(found)
        time.sleep(1)
        with reading(path) as log:
            found = page(log, 1000, where=where, after=last)[::-1]


def _lines(found: list[Tree]) -> None:
    for one in found:
        click.echo(json.dumps(one))


class _Listing:
    """A table that goes on: its heading stands there once, and its columns only grow."""

    def __init__(self) -> None:
        self._head: list[tuple[str, ...]] = [_HEAD]
        self._widths = [len(name) for name in _HEAD[:-1]]

    def add(self, found: list[Tree]) -> None:
        """Print ``found`` below what there is."""
        rows = [
            (*("-" if cell is None else brief(str(cell), _MOST) for cell in cells), str(prompt))
            for *cells, prompt in map(_cells, found)
        ]
        for row in rows:
            self._widths = [max(width, len(cell)) for width, cell in zip(self._widths, row[:-1], strict=True)]
        console = screen()
        room = console.width - sum(width + 2 for width in self._widths) if console.is_terminal else _MOST
        if room < _LEAST:
            for row in rows:
                _put_in_two(console, row)
        elif rows:
            cut = [*self._head, *((*cells, brief(prompt, min(room, _MOST))) for *cells, prompt in rows)]
            self._head = []
            wide = [(*map(str.ljust, cells, self._widths), prompt) for *cells, prompt in cut]
            columns(console, wide, {_HEAD[0].ljust(self._widths[0]): "bold"}, indent=0)


def _put_in_two(console: Console, row: tuple[str, ...]) -> None:
    id_, arrived, status, *others, prompt = row
    put(console, (id_, "bold"), f"  {arrived}  {status}")
    facts = " | ".join(fact for fact in others if fact != "-")
    put(console, brief(f"{facts} | {prompt}", console.width - 2), indent=2)


def _cells(one: Tree) -> tuple[object, ...]:
    return (
        one["id"],
        str(one["arrived_at"])[:19].replace("T", " "),
        one["error"] or one["status"],
        one["model"],
        one["member"],
        None if one["status"] == "stored" else f"{one['answered_s']:.2f} s",
        cost(one),
        one["prompt"] if one["content"] in KEPT else f"[{one['content']}]",
    )
