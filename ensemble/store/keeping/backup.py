"""A copy of the log while the service goes on writing to it."""

import os
import shlex
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database

from ensemble.errors import StoreError
from ensemble.store.address import Address, Where, address_of
from ensemble.store.faults import explain
from ensemble.store.keeping.connect import reading
from ensemble.store.queries import counts


def backup(where: Where, target: Path) -> Mapping[str, int]:
    """Copy the log at ``where`` to ``target``, which must not be there yet; return its rows per table.

    The copy is one snapshot, readable by its owner alone. It gets its name only after ``integrity_check`` and after its
    rows were counted and are those of the snapshot; writers are not held up.

    Raises:
        StoreError: it cannot be read, made or does not hold what it should; then there is no ``target``.
    """
    address = address_of(where)
    if address.file is None:
        raise StoreError(f"{address}: a server keeps it, and backs it up: {pg_dump(address)}")
    if target.exists():
        raise StoreError(f"{target}: there is a file already; name another one")
    part = target.with_name(f".{target.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with reading(address) as db:
            held = counts(db)  # the first question fixes the snapshot, and the copy is made from the same one
            with closing(sqlite3.connect(part)) as copy:
                db.conn.backup(copy)
        _verify(part, held)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.link(part, target)
    except FileExistsError as error:
        raise StoreError(f"{target}: there is a file already; name another one") from error
    except OSError as error:
        raise StoreError(f"{target}: the backup cannot be made: {error.strerror}") from error
    except sqlite3.Error as error:
        raise StoreError(explain(error, target)) from error
    finally:
        part.unlink(missing_ok=True)
    return held


def _verify(part: Path, held: Mapping[str, int]) -> None:
    # Nobody else knows the file, so nothing beside it has to be made or looked at.
    uri = f"{part.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(Database(sqlite3.connect(uri, uri=True), execute_plugins=False)) as db:
        (said,) = db.execute("PRAGMA integrity_check(1)").fetchone()
        if said != "ok":
            raise StoreError(
                f"the copy is damaged ({said}); look at the disk, and at the log with `ensemble log check`"
            )
        if dict(counts(db)) != dict(held):
            raise StoreError("the copy does not hold the rows of the log; look at the disk")


def pg_dump(address: Address) -> str:
    """The command that backs up a log on a server, to be run by the operator."""
    plain = address.shown.partition("?")[0].replace(":***@", "@")
    return f"`pg_dump --format=custom --schema={address.schema} --file=ensemble.dump {shlex.quote(plain)}`"
