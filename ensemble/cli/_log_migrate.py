"""``ensemble log migrate``."""

import asyncio
from pathlib import Path

import click

from ensemble.cli._log_shared import log_file, log_options
from ensemble.cli._output import put, screen
from ensemble.store import open_store
from ensemble.store.address import Address
from ensemble.store.opening import schema_of


@click.command(epilog="Example: ensemble log migrate")
@log_options
def command(config: Path, *, db: Address | None) -> None:
    """Bring the schema of an older log up to date; a file is copied first. The service does so too when it starts."""
    log = log_file(config, db)
    before = schema_of(log)

    async def opened() -> None:
        await (await open_store(log)).close()

    asyncio.run(opened())
    after = schema_of(log)
    if before == after:
        put(screen(), f"{log}: schema {after} is up to date")
        return
    put(screen(), f"{log}: brought from schema {before} to {after}")
    if log.file is not None:
        path, copy = log.file, log.beside(f".schema-{before}")
        put(screen(), f"to return: stop the program, delete {path.name}-wal and {path.name}-shm, then mv {copy} {path}")
