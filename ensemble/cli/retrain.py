"""Train a served router anew on what was labelled since, and serve it only if it is better."""

import asyncio
import json
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ensemble.cli import _options
from ensemble.cli._log import log_of
from ensemble.cli._output import columns, dollars, put, screen
from ensemble.cli._safe import safe
from ensemble.config import load, read
from ensemble.plurals import counted
from ensemble.store.address import Address

if TYPE_CHECKING:
    from ensemble.retraining import Outcome, Target
    from ensemble.training.contest import Match

NOT_BETTER = 3
"""Exit status of a run whose router did not win."""


def _share(context: click.Context, parameter: click.Parameter, given: str | None) -> float | None:
    if given is None:
        return None
    try:
        share = float(given.removesuffix("%")) / (100 if given.endswith("%") else 1)
    except ValueError:
        share = float("nan")
    if not 0 < share < 1:
        raise click.BadParameter(f"{given!r}: give a share of the requests, such as 5% or 0.05")
    return share


@click.command(epilog="Example: ensemble retrain cheap --canary 5%")
@click.argument("router")
@_options.config
@click.option(
    "--data",
    type=_options.LOG,
    help="A log or a file of labels, as `ensemble evaluate` reads them.  [default: the log of the configuration]",
)
@click.option(
    "--fresh",
    type=click.FloatRange(0.1, 0.9),
    default=0.5,
    show_default=True,
    help="Share of the new labels to compare on, the latest; the others are learned from.",
)
@click.option(
    "--lambda",
    "lambda_per_usd",
    type=click.FloatRange(0),
    help="Quality that a US dollar is worth.  [default: what the router's policy implies]",
)
@click.option(
    "--canary", metavar="SHARE", callback=_share, help="Let a better one serve this share beside the old one."
)
@click.option(
    "--promote", is_flag=True, help="Put the canary in the old one's place, unless newer labels find it worse."
)
@click.option("--rollback", is_flag=True, help="End the canary; without one, go back to the folder before this one.")
@_options.as_json
def command(
    router: str,
    config: Path,
    *,
    data: Address | None,
    fresh: float,
    lambda_per_usd: float | None,
    canary: float | None,
    promote: bool,
    rollback: bool,
    as_json: bool,
) -> None:
    """Train the folder of ROUTER (its name, or the folder) anew on labels that came since, in the way it was trained.

    Both are compared on the latest labels, which neither has seen: quality minus lambda times cost, paired by request.
    Only if the whole 95 % interval is above 0 does the new one take the old one's place, which a running server sees;
    the old one stays beside it as FOLDER.previous. Exit status 3: it ran, and the new one is not better.
    """
    from ensemble.retraining import Task, end_canary, go_back, retrain, target_of
    from ensemble.training.train import CannotLearn
    from judges.errors import InvalidOptions

    if (canary is not None) + promote + rollback > 1:
        raise click.UsageError("give one of --canary, --promote and --rollback")
    settings = read(config).settings if config.exists() else load(config)
    target = target_of(settings, router)
    try:
        if rollback:
            outcome = go_back(target)
        else:
            task = Task(
                settings=settings,
                target=target,
                data=data or log_of(config, None),
                share=fresh,
                lambda_per_usd=lambda_per_usd,
                canary=canary,
            )
            outcome = asyncio.run(end_canary(task) if promote else retrain(task))
    except (CannotLearn, InvalidOptions) as error:
        raise click.ClickException(safe(str(error))) from error
    except OSError as error:
        raise click.ClickException(f"{target.folder} cannot be replaced: {error.strerror or error}") from error
    _put(outcome, target, as_json=as_json)
    if outcome.decision in ("kept", "canary_worse"):
        raise SystemExit(NOT_BETTER)


def _put(outcome: "Outcome", target: "Target", *, as_json: bool) -> None:
    if as_json:
        found = {"router": target.name, "folder": str(target.folder), **asdict(outcome)}
        click.echo(json.dumps(found))
    elif outcome.match is not None:
        _put_match(outcome.match, outcome.learned)
    folder = safe(str(target.folder))
    told = {
        "promoted": f"{folder} is the new one; {folder}.previous is the old one, for --rollback.",
        "canary": f"{folder}.canary serves its share; end it with --promote or --rollback.",
        "kept": f"{folder} stays: the new one is not better beyond doubt.",
        "canary_worse": f"{folder}.canary is worse on labels that came since; --rollback ends it.",
        "rolled_back": f"{folder} is the previous one again; what it replaces is {folder}.previous.",
        "canary_ended": f"{folder}.canary is gone; {folder} serves alone.",
    }
    click.echo(told[outcome.decision], err=True)


def _put_match(match: "Match", learned: int | None) -> None:
    console = screen()
    label = f"; learned from {learned}" if learned is not None else ""
    put(
        console,
        ("Compared on labels that neither has seen", "bold"),
        f": {match.rows} in {counted(match.groups, 'group')}{label}",
    )
    rows = [("", "quality", "per request")]
    for name, quality, nano in zip(("serves now", "the new one"), match.quality, match.nano_usd, strict=True):
        rows.append((name, f"{quality:.3f}", dollars(None if isnan(nano) else round(nano))))
    columns(console, rows, {})
    gain = match.gain
    put(
        console,
        f"Gain, as quality minus {match.lambda_per_usd:.4g} a dollar: "
        f"{gain.point:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]",
    )
