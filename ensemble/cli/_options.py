"""Options that several commands share."""

from decimal import Decimal
from pathlib import Path

import click

from ensemble.money import NANO

config = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("ensemble.toml"),
    envvar="ENSEMBLE_CONFIG",
    show_envvar=True,
    show_default=True,
    help="The configuration.",
)
db = click.option("--db", type=click.Path(path_type=Path), help="The log.  [default: that of the configuration]")
as_json = click.option("--json", "as_json", is_flag=True, help="Write JSON instead.")


def nano(context: click.Context, parameter: click.Parameter, given: str | None) -> int | None:
    """An amount of US dollars as nano-USD."""
    if given is None:
        return None
    try:
        dollars = Decimal(given.removeprefix("$"))
    except ArithmeticError:
        dollars = Decimal(-1)
    if not dollars.is_finite() or dollars <= 0:
        raise click.BadParameter(f"{given!r} is no amount of US dollars above 0, such as 12.50")
    return int(dollars * NANO)
