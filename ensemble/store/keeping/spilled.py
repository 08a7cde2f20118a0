"""What lies outside the tables and holds texts all the same: spilled records, copies from before a migration."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

from ensemble.errors import StoreError
from ensemble.store.address import Where, address_of
from ensemble.store.database import Database
from ensemble.store.keeping.checks import files_of
from ensemble.store.keeping.connect import transaction
from ensemble.store.rows import Rows
from ensemble.store.spill import Spill, Taken, take
from ensemble.store.writer import write_rows


def beside(where: Where) -> Spill:
    """The spill of the log at ``where`` where nothing else is configured."""
    return Spill(address_of(where).beside(".spill"))


def take_in(db: Database, spill: Spill) -> Taken:
    """Write what was spilled to the log, on a connection of ``writing``; a service may append meanwhile.

    Raises:
        StoreError: the spill file cannot be read or removed.
    """
    taken = Taken()
    if not spill.pending:
        return taken
    try:
        with closing(spill.batches(wait=True)) as batches:
            for lines in batches:
                with transaction(db):
                    taken += take(db, lines, _write, spill)
    except OSError as error:
        raise StoreError(f"{spill.path}: what was spilled cannot be taken in: {error.strerror}") from error
    return taken


def copies_with_texts(db: Database, where: Where, *, gone: Literal["erased", "redacted"] = "erased") -> tuple[str, ...]:
    """Copies from before a migration with requests whose texts are ``gone`` from the log, or that cannot be read."""
    start = address_of(where).beside(".schema-").name
    copies = [file for file in files_of(where) if file.name.startswith(start)]
    if not copies:
        return ()
    ids = {row[0] for row in db.execute("SELECT id FROM requests WHERE content = ?", [gone])}
    return tuple(str(copy) for copy in copies if ids and _holds(copy, ids))


def _holds(copy: Path, ids: set[str]) -> bool:
    try:
        # Immutable, since a copy is never written to, and reading one must not put files beside it.
        with closing(sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            return any(row[0] in ids for row in db.execute("SELECT id FROM requests"))
    except sqlite3.Error:
        return True


def _write(db: Database, rows: Rows) -> None:
    write_rows(db, [rows])
