"""Examine judges: their record in the log, a test on your own labels, calibration."""

import importlib

import click

SUBCOMMANDS = {
    "report": "What the log says of each judge: consistency, biases, accuracy, cost.",
    "test": "Score judges on your own labelled cases.",
    "calibrate": "Learn from labels how far to trust a judge, and write it to a file.",
}


class Subcommands(click.Group):
    """One file per subcommand, imported only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        command: click.Command = importlib.import_module(f"ensemble.cli._judges_{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(SUBCOMMANDS.items()))


@click.command(cls=Subcommands, epilog="Example: ensemble judges report")
def command() -> None:
    """Examine the judges of the configuration."""
