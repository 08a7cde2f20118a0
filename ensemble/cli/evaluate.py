"""Measure routers on labels that they have not seen, beside the baselines."""

import asyncio
import json
from pathlib import Path
from typing import Literal

import click

from ensemble.cli import _evaluation, _options
from ensemble.cli._interrupt import ended_at_once
from ensemble.cli._log import log_of
from ensemble.cli._safe import safe
from ensemble.config import load, read
from ensemble.evaluating import Evaluation, Task, routers_of, run
from ensemble.store.address import Address

BAD = 3
"""Exit status of a finding that is worse than was asked for."""


def _floor(context: click.Context, parameter: click.Parameter, given: str | None) -> tuple[str, float] | None:
    if given is None:
        return None
    name, equals, value = given.rpartition("=")
    name = name if equals else "accuracy"
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if name not in _evaluation.FLOORS or not -1 <= number <= 2:
        known = ", ".join(_evaluation.FLOORS)
        raise click.BadParameter(f"{given!r}: give FIGURE=NUMBER with a figure of {known}, such as ratio=0.99")
    return name, number


@click.command(epilog="Example: ensemble evaluate best small --data labels.jsonl")
@click.argument("routers", nargs=-1, metavar="ROUTER...")
@_options.config
@click.option(
    "--data",
    type=_options.LOG,
    help="A log or a file of labels.  [default: the log of the configuration]",
)
@click.option("--member", "members", multiple=True, metavar="NAME", help="Measure over these members alone.")
@click.option(
    "--at-least",
    "floor",
    metavar="FIGURE=NUMBER",
    callback=_floor,
    help="Exit with 3 where a router has less: accuracy, informative, cheapest_best, ratio, saved or quality.",
)
@click.option("--panels", is_flag=True, help="Replay every smaller panel and quorum too.")
@click.option(
    "--off-policy",
    type=click.Choice(["snips", "dr"]),
    help="Estimate from routed traffic too, by the chances it was drawn with; dr uses predictions as well.",
)
@click.option("--call", is_flag=True, help="Let routers that ask a model do so; this costs and is not logged.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a report in one file.")
@click.option("--no-texts", is_flag=True, help="Leave the texts of requests out of it.")
@click.option("--draws", type=click.IntRange(100, 100_000), default=1000, show_default=True, help="Of the bootstrap.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the bootstrap.")
@_options.as_json
def command(
    routers: tuple[str, ...],
    config: Path,
    *,
    data: Address | None,
    members: tuple[str, ...],
    floor: tuple[str, float] | None,
    panels: bool,
    off_policy: Literal["snips", "dr"] | None,
    call: bool,
    html: Path | None,
    no_texts: bool,
    draws: int,
    seed: int,
    as_json: bool,
) -> None:
    """Measure each ROUTER (a name of the configuration, a member, or the folder of a trained router) on labels.

    No member is called: plans are carried out on the answers that the labels are about. Labels that a router was fitted
    on are left out. Beside the routers stand chance, the cheapest and the best single member, a router that knows the
    length of the request alone, and the oracle. In brackets: 95 % intervals by bootstrap over conversations.
    """
    if not routers and not panels:
        raise click.UsageError("name a router to measure, or give --panels")
    settings = read(config).settings if config.exists() else None if data else load(config)
    task = Task(
        data=data or log_of(config, None),
        routers=routers_of(routers, settings),
        settings=settings,
        members=members,
        panels=panels,
        off_policy=off_policy,
        call=call,
        curves=html is not None,
        draws=draws,
        seed=seed,
    )
    with ended_at_once():
        found = asyncio.run(run(task))
    if found.report is None:
        _without_report(found, as_json=as_json, more=bool(html or floor or panels))
        return
    if html:
        from ensemble.training.page import page

        told = page(
            found.report,
            data=str(found.data),
            panels=found.panels,
            offpolicy=found.offpolicy,
            curves=found.curves,
            texts=not no_texts,
        )
        html.write_text(told, encoding="utf-8", errors="replace")
        click.echo(f"The report is in {html}", err=True)
    if as_json:
        click.echo(json.dumps(_evaluation.plain(found, texts=not no_texts), indent=2))
    else:
        _evaluation.put_report(found)
    if floor and (short := _evaluation.short_of(found.report, *floor)):
        click.echo("\n".join(safe(line) for line in short), err=True)
        raise SystemExit(BAD)


def _without_report(found: Evaluation, *, as_json: bool, more: bool) -> None:
    if as_json:
        click.echo(json.dumps(_evaluation.plain(found, texts=False), indent=2))
    else:
        _evaluation.put_estimates(found)
    if more:
        raise click.ClickException("no label is of the whole panel, so there are estimates from routed traffic alone")
