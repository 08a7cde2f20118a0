"""Make, list, replace and end the API keys of a service."""

import click

from ensemble.cli._group import Subcommands

SUBCOMMANDS = {
    "create": "Make a key and show it, this once.",
    "list": "List keys: scopes, limits, what is used of them, last use.",
    "rotate": "Put a new key in the place of one.",
    "revoke": "End a key at once.",
}


@click.command(cls=Subcommands, prefix="_keys_", subcommands=SUBCOMMANDS, epilog="Example: ensemble keys list")
def command() -> None:
    """Keep the API keys of a service, which may run meanwhile; it takes a change within a second."""
