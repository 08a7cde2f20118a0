"""Take outputs and scores that you already have into the log."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._output import columns, put, screen
from ensemble.config import load, read
from ensemble.importing.formats import NAMES, Name, opened
from ensemble.importing.given import Given, Scale
from ensemble.importing.importer import Importer, Taken
from ensemble.labelling.rejects import Rejects, beside
from ensemble.labelling.rows import Reject
from ensemble.store import open_store
from ensemble.store.address import Address
from judges.types import Prompt


def _scale(context: click.Context, parameter: click.Parameter, given: str) -> Scale:
    try:
        low, high = map(float, given.split(":"))
    except ValueError:
        low, high = 0.0, 0.0
    if not low < high < float("inf"):
        raise click.BadParameter(f"{given!r}: give LOW:HIGH, the worst and the best score, such as 1:10")
    return Scale(low, high)


@click.command(epilog="Example: ensemble import outputs.jsonl --format candidates")
@click.argument("file")
@_options.config
@_options.db
@click.option("--format", "form", type=click.Choice(NAMES), required=True, help="What the rows are.")
@click.option("--name", help="Of the data set and of whoever scored.  [default: the file's; a matrix has sets]")
@click.option("--scale", metavar="LOW:HIGH", default="0:1", show_default=True, callback=_scale, help="Scores.")
@click.option(
    "--requests",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With openai-log: the input file of the batch whose output FILE is.",
)
@click.option("--rejects", type=click.Path(dir_okay=False, path_type=Path), help="Where bad rows go.")
@_options.as_json
def command(
    file: str,
    config: Path,
    *,
    db: Address | None,
    form: Name,
    name: str | None,
    scale: Scale,
    requests: Path | None,
    rejects: Path | None,
    as_json: bool,
) -> None:
    """Take FILE (- is standard input) into the log, marked as imported; importing it again adds nothing.

    JSON lines, CSV or Parquet of prompts with candidates, RouterBench's wide table (matrix), logged pairs of OpenAI's
    chat completions and its batches (openai-log), or promptfoo's results. Costs and times that are not given stay
    unknown. Exit status 3 where rows were rejected.
    """
    path = db or (read(config).settings if config.exists() else load(config)).store.address
    run = name or ("stdin" if file == "-" else Path(file).name.split(".")[0])
    bad = rejects or beside(path, run)
    source = opened(file, form, parse=_parse, scale=scale, requests=requests)
    taken = asyncio.run(_take(path, bad, source, run, own_sets=name is None))
    if as_json:
        told = {"name": run, "log": str(path), "rejects": str(bad) if taken.rejected else None}
        click.echo(json.dumps(taken.plain() | told, indent=2))
    else:
        _print(taken, run)
    if taken.rejected:
        click.echo(f"{bad} has the rejected rows, with line and reason.", err=True)
        raise SystemExit(3)


async def _take(
    log: Address, bad: Path, source: AbstractContextManager[Iterator[Given | Reject]], run: str, *, own_sets: bool
) -> Taken:
    store = await open_store(log)
    try:
        with Rejects(bad) as rejects, source as rows:
            return await Importer(store, run, own_sets=own_sets).take(rows, rejects)
    finally:
        await store.close()


def _parse(body: bytes) -> Prompt:
    from ensemble.dialects import openai_chat

    return openai_chat.parse(body).prompt


def _print(taken: Taken, run: str) -> None:
    console = screen()
    put(console, ("imported ", "bold"), run)
    rows = [
        ("rows", f"{taken.rows:,}, {taken.rejected:,} rejected"),
        ("prompts", f"{taken.requests:,} new"),
        ("answers", f"{taken.candidates:,} new, {taken.known:,} there before"),
        ("findings", f"{taken.verdicts:,} new"),
    ]
    columns(console, rows, {})
