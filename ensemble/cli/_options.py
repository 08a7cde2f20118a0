"""Options that several commands share."""

from pathlib import Path

import click

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
