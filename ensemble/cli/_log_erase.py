"""``ensemble log erase``."""

import shlex
from dataclasses import asdict
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._log_shared import log_file, log_options, put_json, scope_options, spills_of, trained_on
from ensemble.cli._output import put, screen
from ensemble.cli._safe import safe
from ensemble.plurals import counted
from ensemble.store.address import Address
from ensemble.store.keeping.connect import reading, writing
from ensemble.store.keeping.erase import Scope, erase, matching


@click.command(epilog="Example: ensemble log erase --conversation chat-7 --yes")
@log_options
@scope_options
@click.option("--reason", default="", help="Kept with the tombstone; no text of anybody belongs into it.")
@click.option("--copies", is_flag=True, help="Delete FILE.schema-N copies that still hold erased texts.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_options.as_json
def command(
    config: Path, *, db: Address | None, scope: Scope, reason: str, copies: bool, yes: bool, as_json: bool
) -> None:
    """Take the texts of requests out of the log, its search index, spill and rejects, for good.

    What was spilled is taken into the log first. Numbers, verdicts and costs stay, and a tombstone tells that texts
    were there. The file is rebuilt, which takes as much free space as it has bytes. Backups elsewhere are yours to
    delete.
    """
    path = log_file(config, db)
    spills = spills_of(config, path)
    if not yes:
        with reading(path) as log:
            count = len(matching(log, scope, erasing=True))
        more = " and those among the spilled ones" if any(spill.pending for spill in spills) else ""
        click.confirm(f"Erase the texts of {counted(count, 'request')}{more} in {path} for good?", abort=True, err=True)
    with writing(path) as log:
        done = erase(log, path, scope, reason, spills=spills)
    if copies:
        for copy in done.copies:
            Path(copy).unlink(missing_ok=True)
    learned = trained_on(config, done.ids)
    if as_json:
        put_json({"log": str(path)} | asdict(done) | {"copies_deleted": copies, "trained": learned})
        return
    console = screen()
    put(
        console,
        f"{counted(done.requests, 'request')} erased",
        f"; tombstone {done.tombstone}" if done.tombstone else "",
    )
    if done.lines:
        put(console, f"{counted(done.lines, 'line')} went from files beside the log")
    put(console, f"routers and judges trained on them: {', '.join(map(safe, learned)) or 'none that is configured'}")
    if learned:
        put(console, "what was learned stays in their folders until they are trained again: `ensemble train`")
    if done.spilled:
        put(console, f"{counted(done.spilled, 'spilled record was', 'spilled records were')} taken into the log first")
    for copy in done.copies:
        if copies:
            put(console, f"{safe(copy)} deleted")
        else:
            click.echo(
                f"{safe(copy)} was made before a migration and STILL HOLDS erased texts: "
                f"`rm -- {safe(shlex.quote(copy))}`, or run this again with --copies",
                err=True,
            )
    for file in done.aside:
        click.echo(f"{safe(file)} holds lines that could not be read: look whether one of them was meant", err=True)
