"""A command with subcommands: one file per subcommand, imported only when it is called."""

import importlib
from collections.abc import Mapping
from typing import Any

import click

from ensemble import interrupt


class Subcommands(click.Group):
    """The subcommands of one command, ``subcommands`` with a summary each; their files begin with ``prefix``."""

    def __init__(self, *args: Any, prefix: str, subcommands: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._prefix, self._subcommands = prefix, subcommands

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._subcommands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._subcommands:
            return None
        command: click.Command = importlib.import_module(f"ensemble.cli.{self._prefix}{cmd_name}").command
        interrupt.raise_again()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._subcommands.items()))
