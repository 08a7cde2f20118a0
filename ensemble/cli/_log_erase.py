"""``ensemble log erase``."""

from dataclasses import asdict
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._log_shared import log_file, log_options, put_json, scope_options
from ensemble.cli._output import put, screen
from ensemble.store.keeping.connect import reading, writing
from ensemble.store.keeping.erase import Scope, erase, matching


@click.command(epilog="Example: ensemble log erase --conversation chat-7 --yes")
@log_options
@scope_options
@click.option("--reason", default="", help="Kept with the tombstone; no text of anybody belongs into it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_options.as_json
def command(config: Path, *, db: Path | None, scope: Scope, reason: str, yes: bool, as_json: bool) -> None:
    """Take the texts of requests out of the log, its search index, spill and rejects, for good.

    Numbers, verdicts and costs stay, and a tombstone tells that texts were there. The file is rebuilt, which takes as
    much free space as it has bytes. Backups elsewhere are yours to delete.
    """
    path = log_file(config, db)
    if not yes:
        with reading(path) as log:
            count = len(matching(log, scope))
        click.confirm(f"Erase the texts of {count:,} requests in {path} for good?", abort=True, err=True)
    with writing(path) as log:
        done = erase(log, path, scope, reason)
    if as_json:
        put_json({"log": str(path)} | asdict(done))
        return
    console = screen()
    put(console, f"{done.requests:,} requests erased", f"; tombstone {done.tombstone}" if done.tombstone else "")
    if done.lines:
        put(console, f"{done.lines:,} lines went from files beside the log")
    put(console, f"routers trained on them: {', '.join(done.routers) or 'none'}")
    for copy in done.copies:
        click.echo(f"{copy} was made before a migration and may still hold the texts; delete it.", err=True)
