"""``ensemble judges report``."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._judges import put_rates, rounded
from ensemble.cli._output import dollars, put, screen
from ensemble.cli._safe import safe
from ensemble.config import load, read
from ensemble.judging.report import JudgeReport, report
from ensemble.plurals import counted
from ensemble.store.address import Address
from ensemble.store.judged import judged


@click.command(epilog="Example: ensemble judges report --since 2026-01-01")
@_options.config
@_options.db
@click.option("--judge", metavar="NAME", help="This judge alone.")
@click.option(
    "--since", type=click.DateTime(), metavar="TIME", help="Verdicts given then or later, UTC: 2026-11-23[T14:00:00]."
)
@_options.as_json
def command(config: Path, *, db: Address | None, judge: str | None, since: datetime | None, as_json: bool) -> None:
    """Print what the log says of each judge, and of each seat within it, every share with its 95 % interval.

    Nothing is called and nothing is written. A dash stands for what the log cannot tell: accuracy needs labels of
    people or references, the figures on both orders need a judge that asks in both (order = "both"), families need
    `family` in the configuration.
    """
    # A part that is broken today says nothing against the log, so the rest of the configuration is used as it is.
    settings = read(config).settings if config.exists() else None if db else load(config)
    path = db or (settings.store.address if settings else config)
    moment = since.replace(tzinfo=UTC) if since and since.tzinfo is None else since
    with judged(path, judge=judge, since=moment) as verdicts:
        found = report(
            verdicts,
            settings.judges if settings else {},
            {name: member.family for name, member in settings.members.items()} if settings else {},
        )
    if as_json:
        click.echo(json.dumps({"log": str(path), "judges": [_plain(one) for one in found]}, indent=2))
        return
    console = screen()
    for one in found:
        _print(one)
    if not found:
        click.echo(f"{path} holds no verdict{f' of {judge!r}' if judge else ''} to report on.", err=True)
    else:
        put(console, "In brackets: 95 % intervals; n counts comparisons, verdicts or pages.")


def _plain(one: JudgeReport) -> dict[str, object]:
    tree: dict[str, object] = rounded(asdict(one))
    return tree | {"cost": one.cost._asdict()}


def _print(one: JudgeReport) -> None:
    console = screen()
    again = f", {one.again:,} of them on what it had judged before" if one.again else ""
    put(
        console,
        (safe(one.judge), "bold"),
        f"  seat {safe(one.seat)}" if one.seat else "",
        f"  {counted(one.verdicts, 'verdict')}{again}, digest {one.digest[:12]}",
    )
    mean = one.nano_usd
    each = "-" if mean.value is None else dollars(round(mean.value))
    if mean.low is not None and mean.high is not None:
        each += f"  [{dollars(max(0, round(mean.low)))}, {dollars(round(mean.high))}]"
    put_rates(console, one.rates, [("cost per verdict", f"{each}  n={mean.n}"), ("cost in all", str(one.cost))])
    put(console)
