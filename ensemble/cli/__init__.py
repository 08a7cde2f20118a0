"""The command line: one file per command, found by its name and imported only when it is called.

A file ``NAME.py`` of this folder holds a click command called ``command``; the first sentence of its docstring is what
``ensemble --help`` says of it, read from the source so that listing the commands imports none of them.
"""

import ast
import difflib
import importlib
import sys
from pathlib import Path
from typing import Any

import click

from ensemble import identity, interrupt
from ensemble.cli._light import leave_uncounted, load_sqlite_utils, put_off
from ensemble.cli._safe import safe

HOME = Path(__file__).parent


class Commands(click.Group):
    """The commands of this folder."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(file.stem.replace("_", "-") for file in HOME.glob("[!_]*.py"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        from ensemble.cli._trust import certificates_later  # and with it ssl, which the list of commands needs not

        put_off()
        leave_uncounted()
        load_sqlite_utils()
        with certificates_later():
            module = importlib.import_module(f"ensemble.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        if not isinstance(command, click.Group):  # which loads one of its own yet
            interrupt.raise_again()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        near = difflib.get_close_matches(args[0], known, n=1, cutoff=0.5)
        if near and args[0] not in known and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _summary(name)) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return self._invoked(ctx)
        except KeyboardInterrupt:
            ctx.exit(interrupt.STATUS)

    def _invoked(self, ctx: click.Context) -> Any:
        try:
            identity.check()
        except identity.NameTaken as error:
            raise _told(error) from None
        # Only now: with another distribution's `judges` in place this import would fail without a word of help.
        from ensemble.errors import ConfigError, EnsembleError, StoreError

        try:
            return super().invoke(ctx)
        except (ConfigError, EnsembleError, StoreError) as error:
            raise _told(error) from error
        except OSError as error:
            if not isinstance(error.filename, str):
                raise
            # Of a file that somebody named, most likely one to write.
            raise click.ClickException(safe(f"{error.filename}: {error.strerror}")) from error


def _summary(name: str) -> str:
    source = (HOME / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    return text.partition("\n")[0]


def _told(error: Exception) -> click.ClickException:
    return click.ClickException(safe(str(error)))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: ensemble demo",
)
@click.version_option(package_name=identity.DISTRIBUTION, prog_name="ensemble")
def main() -> None:
    """Ask several language models at once, let a judge choose, keep everything."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character must not end the program.
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")
