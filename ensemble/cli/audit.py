"""See where models disagree: pages and a report over any log."""

import click

from ensemble.cli._group import Subcommands

SUBCOMMANDS = {
    "report": "Write the figures of all pages as one file.",
    "serve": "Serve the audit pages, read-only, on a log.",
}


@click.command(cls=Subcommands, prefix="_audit_", subcommands=SUBCOMMANDS, epilog="Example: ensemble audit serve")
def command() -> None:
    """See where models disagree, who wins, and whether the judge can be trusted; a service has the same under /ui."""
