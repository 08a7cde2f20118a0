"""``ensemble judges history``."""

import os
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._judges import chosen, named
from ensemble.cli._output import columns, screen
from ensemble.cli._safe import safe
from ensemble.config import load
from ensemble.judging.history import rows
from ensemble.judging.seats import Seats
from ensemble.plurals import counted
from ensemble.store.address import Address
from ensemble.store.judged import judged
from judges.aggregate._history import Row


@click.command(epilog="Example: ensemble judges history --judge house --out history.jsonl")
@_options.config
@_options.db
@named
@click.option(
    "--since", type=click.DateTime(), metavar="TIME", help="Verdicts given then or later, UTC: 2026-11-23[T14:00:00]."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write.")
def command(config: Path, *, db: Address | None, judges: tuple[str, ...], since: datetime | None, out: Path) -> None:
    """Write the ballots of the log, one case a line, for `history_file` of the aggregator `dawid_skene`.

    A line holds names of candidates, the winners by digest of the judge or seat, and what people found best where they
    said so; no text. Nothing is called. A jury need not vote by `dawid_skene` yet: its seats keep their digests.
    """
    settings = load(config, secrets=False)
    wanted = chosen(settings, judges)
    moment = since.replace(tzinfo=UTC) if since and since.tzinfo is None else since
    seats = Seats.of(wanted)
    with judged(db or settings.store.address, since=moment) as verdicts:
        held = list(rows(verdicts, seats, tuple(wanted) if judges else ()))
    if not held:
        raise click.ClickException(
            f"the log holds no case with two ballots, or one that people have labelled, so {out} was not written"
        )
    try:
        _write(out, held)
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error.strerror}") from error
    count = Counter(judge for row in held for judge in row.ballots)
    told = [(safe(seats.names.get(judge, "no longer configured")), judge[:12], str(n)) for judge, n in count.items()]
    columns(screen(), [("judge", "digest", "ballots"), *sorted(told)], {})
    known = sum(bool(row.best) for row in held)
    click.echo(
        f"{out} is written: {counted(len(held), 'case')}, {known} of them labelled; name it as history_file.", err=True
    )


def _write(out: Path, held: Iterable[Row]) -> None:
    """In one step, so that a reader sees the old file or the new one."""
    beside = out.with_name(f"{out.name}.{os.getpid()}.tmp")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.writelines(f"{row.model_dump_json()}\n" for row in held)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
