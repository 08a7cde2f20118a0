"""Examine judges: their record in the log, a test on your own labels, calibration."""

import click

from ensemble.cli._group import Subcommands

SUBCOMMANDS = {
    "report": "What the log says of each judge: consistency, biases, accuracy, cost.",
    "test": "Score judges on your own labelled cases.",
    "calibrate": "Learn from labels how far to trust a judge, and write it to a file.",
    "history": "Write the ballots of the log to a file that `dawid_skene` learns from.",
}


@click.command(cls=Subcommands, prefix="_judges_", subcommands=SUBCOMMANDS, epilog="Example: ensemble judges report")
def command() -> None:
    """Examine the judges of the configuration."""
