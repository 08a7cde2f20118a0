"""``ensemble log migrate``."""

import asyncio
from pathlib import Path

import click

from ensemble.cli._log_shared import log_file, log_options
from ensemble.cli._output import put, screen
from ensemble.store import open_store
from ensemble.store.sqlite import schema_of


@click.command(epilog="Example: ensemble log migrate")
@log_options
def command(config: Path, *, db: Path | None) -> None:
    """Bring the schema of an older log up to date; the file is copied first. The service does so too when it starts."""
    path = log_file(config, db)
    before = schema_of(path)

    async def opened() -> None:
        await (await open_store(path)).close()

    asyncio.run(opened())
    after = schema_of(path)
    if before == after:
        put(screen(), f"{path}: schema {after} is up to date")
        return
    copy = path.with_name(f"{path.name}.schema-{before}")
    put(screen(), f"{path}: brought from schema {before} to {after}")
    put(screen(), f"to return: stop the program, delete {path.name}-wal and {path.name}-shm, then mv {copy} {path}")
