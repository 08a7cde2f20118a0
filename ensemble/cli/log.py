"""Look into the log, check it, back it up, take texts out of it."""

import click

from ensemble.cli._group import Subcommands

SUBCOMMANDS = {
    "tail": "List the newest requests, and go on as they come.",
    "show": "Print everything about one request.",
    "search": "Search prompts and answers.",
    "stats": "Print the log in figures.",
    "cost": "Add up what calls cost, by key, tag, router, member, purpose, day.",
    "reconcile": "Hold the ledger against a provider's file of usage.",
    "incident": "Summarize what went wrong.",
    "backup": "Copy the log while it is written to.",
    "copy": "Copy a log to another engine, or take in what came since.",
    "check": "Check pages, references, sums, rights; search for secrets.",
    "erase": "Take the texts of requests out for good.",
    "redact": "Take personal data and secrets out of stored texts.",
    "prune": "Take the texts of old requests out.",
    "migrate": "Bring an older file up to date.",
}


@click.command(cls=Subcommands, prefix="_log_", subcommands=SUBCOMMANDS, epilog="Example: ensemble log stats")
def command() -> None:
    """Look into the log and keep it in order; the service may run meanwhile, or not."""
