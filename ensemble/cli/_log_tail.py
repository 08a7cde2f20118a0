"""``ensemble log tail``."""

import json
import time
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._log_shared import cost, log_file, put_json, put_table
from ensemble.store.address import Address
from ensemble.store.keeping.browse import page
from ensemble.store.keeping.connect import reading
from ensemble.store.queries import Tree

_HEAD = ("id", "arrived (UTC)", "status", "model", "answered by", "s", "cost", "prompt")


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
    put_table(
        _HEAD,
        [
            (
                one["id"],
                str(one["arrived_at"])[:19].replace("T", " "),
                one["error"] or one["status"],
                one["model"],
                one["member"],
                None if one["status"] == "stored" else f"{one['answered_s']:.2f}",
                cost(one),
                one["prompt"] if one["content"] in ("kept", "redacted") else f"[{one['content']}]",
            )
            for one in found
        ],
    )
