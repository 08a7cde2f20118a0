"""``ensemble judges test``."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click

from ensemble.bench import open_bench
from ensemble.cli import _options
from ensemble.cli._judges import Progress, chosen, figure, labels, named, put_rates, read_labels, rounded
from ensemble.cli._output import columns, dollars, put, screen
from ensemble.cli._safe import safe
from ensemble.config import Settings, load
from ensemble.judging.labelled import Labelled
from ensemble.judging.trial import Trial, Trials, find, trials
from ensemble.plurals import counted
from judges.judge import Judge


@click.command(epilog="Example: ensemble judges test --labels labels.jsonl --at-least 0.6")
@_options.config
@labels
@named
@click.option("--at-least", type=click.FloatRange(0, 1), help="Exit status 3 where a judge is right less often.")
@click.option("--one-order", is_flag=True, help="Ask as configured only, and leave out what both orders show.")
@_options.as_json
def command(
    config: Path,
    *,
    labels: Path,
    judges: tuple[str, ...],
    at_least: float | None,
    one_order: bool,
    as_json: bool,
) -> None:
    """Score judges (all, unless named) on labelled cases: accuracy, biases, agreement, cost, with 95 % intervals.

    Each line of the file is a JSON object with prompt (or messages), candidates (texts, or objects with id and text),
    best (id, place from 0, a list of them for a tie, "tie" or "all_bad"), perhaps reference and schema.

    A tie that holds the right answer counts half, no finding counts as wrong. Kappa is over whether each candidate is
    among the best, where there is a finding; so a tie agrees in part there, too. A judge that shows two answers in one
    order is asked in the other as well, which costs as much again. Calls are paid for and not logged.
    """
    settings = load(config)
    wanted = chosen(settings, judges)
    found = asyncio.run(_test(settings, wanted, read_labels(labels), both_orders=not one_order))
    if as_json:
        click.echo(json.dumps(rounded(_plain(found)), indent=2))
    else:
        _print(found)
    short = [one for one in found.judges if at_least is not None and (one.rates["accuracy"].value or 0) < at_least]
    for one in short:
        click.echo(f"{safe(one.judge)} is right in less than {at_least:g} of the cases.", err=True)
    if short:
        raise SystemExit(3)


async def _test(settings: Settings, wanted: Mapping[str, Judge], cases: list[Labelled], *, both_orders: bool) -> Trials:
    async with open_bench(settings, wanted) as fleet:
        with Progress(len(cases) * len(wanted)) as progress:
            return trials(
                {
                    name: (judge, await find(name, judge, cases, fleet, both_orders=both_orders, told=progress))
                    for name, judge in wanted.items()
                }
            )


def _plain(found: Trials) -> dict[str, object]:
    return {
        "judges": [asdict(one) | {"cost": one.cost._asdict()} for one in found.judges],
        "agreement": {
            "kappas": [{"judges": [one, other], **asdict(kappa)} for one, other, kappa in found.kappas],
            "alpha": asdict(found.alpha) if found.alpha else None,
        },
    }


def _print(found: Trials) -> None:
    console = screen()
    for one in found.judges:
        put(console, (safe(one.judge), "bold"), f"  {counted(one.cases, 'case')}, digest {one.digest[:12]}")
        put_rates(console, one.rates, _more(one))
        put(console)
    if found.alpha is not None:
        put(console, ("agreement", "bold"), ", 1 is full, 0 is chance")
        rows = [(f"{safe(one)} and {safe(other)}, kappa", figure(kappa)) for one, other, kappa in found.kappas]
        columns(console, [*rows, ("all, Krippendorff's alpha", figure(found.alpha))], {})


def _more(one: Trial) -> list[tuple[str, str]]:
    mean = one.nano_usd
    each = "-" if mean.value is None else dollars(round(mean.value))
    return [
        ("kappa with the labels", figure(one.kappa)),
        ("cost per verdict", f"{each}  n={mean.n}"),
        ("cost in all", str(one.cost)),
    ]
