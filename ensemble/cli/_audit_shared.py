"""What the commands of ``ensemble audit`` share: the configuration of the log."""

from pathlib import Path

import click

from ensemble.cli._log_shared import settings_of
from ensemble.cli._options import was_named
from ensemble.config import Settings


def settings_beside(config: Path) -> Settings | None:
    """The configuration, as far as it can be read; None where there is none, and standard error says what that costs.

    Raises:
        ConfigError: it was named, and there is none.
    """
    if config.exists() or was_named("config"):
        return settings_of(config)
    click.echo(
        f"There is no {config}, and --config names no other: seats have no names, nothing is told of own families, and "
        "no router is measured.",
        err=True,
    )
    return None
