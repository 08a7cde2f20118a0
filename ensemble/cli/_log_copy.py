"""``ensemble log copy``."""

import asyncio
from dataclasses import asdict

import click

from ensemble.cli import _options
from ensemble.cli._log_shared import put_json, put_table
from ensemble.cli._output import put, screen
from ensemble.errors import StoreError
from ensemble.plurals import counted
from ensemble.store import open_store
from ensemble.store.address import Address
from ensemble.store.keeping.copy import Copied, copy
from ensemble.store.keeping.spilled import beside
from ensemble.store.opening import exists

BAD = 3
"""Exit status of a copy that is not what was copied."""


@click.command(epilog="Example: ensemble log copy ensemble.db copy.db")
@click.argument("source", metavar="FROM", type=_options.LOG)
@click.argument("target", metavar="TO", type=_options.LOG)
@_options.as_json
def command(source: Address, target: Address, *, as_json: bool) -> None:
    """Copy the log FROM to TO, each a file or postgresql://..., and look the copy over by counts and checksums.

    TO is made where it is missing. FROM may be served meanwhile: the copy is of the moment at which it began, and the
    same command takes in what came since, or goes on where it was cut off. To move, run it once more when the service
    has stopped. Exits with 3 where the copy differs.
    """
    if not exists(source):
        raise StoreError(f"{source}: there is no log to copy")
    if beside(source).pending:
        told = "the service takes it in when it starts, and only then it is copied"
        click.echo(f"{beside(source).path} holds records that are not in the log yet: {told}.", err=True)
    asyncio.run(_made(target))
    try:
        done = copy(source, target, lambda one: click.echo(_line(one), err=True))
    except KeyboardInterrupt:
        click.echo("\nStopped; the same command goes on from there.", err=True)
        raise SystemExit(130) from None
    if as_json:
        put_json({"from": str(source), "to": str(target), "tables": [asdict(one) | _checked(one) for one in done]})
    else:
        _print(done)
    if bad := [one.table for one in done if not one.whole]:
        click.echo(f"{target} differs in {', '.join(bad)}: has anybody else written to it? Run this again.", err=True)
        raise SystemExit(BAD)
    told = "The same command takes in what comes to the log after it."
    click.echo(f"{target} holds what {source} held when this began, by counts and checksums. {told}", err=True)


async def _made(target: Address) -> None:
    await (await open_store(target)).close()


def _line(one: Copied) -> str:
    return f"{one.table}: {counted(one.rows, 'row')}, {one.written + one.changed + one.removed:,} of them to bring over"


def _checked(one: Copied) -> dict[str, object]:
    return {"digest": f"{one.digest:016x}", "found": f"{one.found:016x}", "whole": one.whole}


def _print(done: list[Copied]) -> None:
    rows = [
        (one.table, *(f"{count:,}" for count in (one.rows, one.written, one.changed, one.removed)), _verdict(one))
        for one in done
        if one.rows or one.there
    ]
    put_table(("table", "rows", "new", "changed", "removed", "checksum"), rows)
    empty = len(done) - len(rows)
    put(screen(), f"{counted(empty, 'table is', 'tables are')} empty" if empty else "")


def _verdict(one: Copied) -> str:
    return f"{one.digest:016x}" if one.whole else f"DIFFERS: {counted(one.there, 'row')}, {one.found:016x}"
