"""Say what you think of stored answers: the best one, a rating, a correction, tags, metrics."""

import click

from ensemble.cli._group import Subcommands

SUBCOMMANDS = {
    "add": "Say something of one answer or conversation.",
    "import": "Take in a file of feedback, one JSON object per line.",
}


@click.command(
    cls=Subcommands,
    prefix="_feedback_",
    subcommands=SUBCOMMANDS,
    epilog="Example: ensemble feedback import feedback.jsonl",
)
def command() -> None:
    """Store what people and systems say of answers, as `POST /v1/ensemble/feedback` does."""
