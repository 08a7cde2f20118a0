"""``ensemble log backup``."""

from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._log_shared import log_file, log_options, put_json
from ensemble.cli._output import put, screen
from ensemble.plurals import counted
from ensemble.store.address import Address
from ensemble.store.keeping.backup import backup


@click.command(epilog="Example: ensemble log backup ensemble-backup.db")
@click.argument("target", type=click.Path(path_type=Path))
@log_options
@_options.as_json
def command(target: Path, *, config: Path, db: Address | None, as_json: bool) -> None:
    """Copy the log to TARGET, a new file, while it is written to; the copy is checked before it gets its name.

    To return to it, stop the program and move it over the log, whose -wal and -shm files go.
    """
    held = backup(log_file(config, db), target)
    if as_json:
        put_json({"target": str(target), "rows": dict(held)})
        return
    put(
        screen(),
        f"{target}: {counted(held['requests'], 'request')}, {counted(held['calls'], 'call')}; integrity_check is ok",
    )
