"""``ensemble log tail``."""

import json
import time
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._log_shared import cost, log_file, put_json, put_table
from ensemble.cli._output import put, screen
from ensemble.cli._safe import brief, safe
from ensemble.store.address import Address
from ensemble.store.keeping.browse import page
from ensemble.store.keeping.connect import reading
from ensemble.store.queries import Tree

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
    if not follow:
        put_json({"log": str(path), "requests": found}) if as_json else _print(found)
        return
    last = ""
    while True:
        if found:
            last = str(found[-1]["id"])
            _lines(found) if as_json else _print(found)
        time.sleep(1)
        with reading(path) as log:
            found = page(log, 1000, where=where, after=last)[::-1]


def _lines(found: list[Tree]) -> None:
    for one in found:
        click.echo(json.dumps(one))


def _print(found: list[Tree]) -> None:
    if not found:
        click.echo("No request.", err=True)
        return
    rows = [tuple("-" if cell is None else str(cell) for cell in _cells(one)) for one in found]
    console = screen()
    taken = sum(max(map(len, column)) + 2 for column in [*zip(_HEAD, *rows, strict=True)][:-1])
    room = console.width - taken if console.is_terminal else _MOST
    if room >= _LEAST:
        put_table(_HEAD, [(*cells, brief(prompt, min(room, _MOST))) for *cells, prompt in rows])
        return
    for id_, arrived, status, *others, prompt in rows:
        put(console, (id_, "bold"), f"  {arrived}  {safe(status)}")
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
        one["prompt"] if one["content"] in ("kept", "redacted") else f"[{one['content']}]",
    )
