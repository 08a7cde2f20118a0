"""The engine that keeps the log in one SQLite file: WAL, synchronous=FULL."""

import os
import sqlite3
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from ensemble.errors import StoreError
from ensemble.place import PLACE
from ensemble.store import migrations
from ensemble.store.address import NO_LOG, Address, address_of
from ensemble.store.faults import barred, explain, identity
from ensemble.store.room import prove_room
from ensemble.store.turns import turn

# For whatever is neither text nor number, None and bool too, sqlite3 looks for an adapter, and where there is none for
# two methods, whose lack is an exception each: a quarter of what a batch of rows costs, half of whose values are None.
# An empty dictionary gives None for None, and no Python is run for it.
_NOTHING: dict[None, None] = {}
sqlite3.register_adapter(bool, int)
sqlite3.register_adapter(type(None), _NOTHING.get)
_WRITER_KB, _READER_KB = 1000, 512
"""KB of pages that the writer of a service and each of its readers keep, not 2,000: the system keeps them too."""


class SqliteEngine:
    """Fulfils ``ensemble.store.engine.Engine`` for a file."""

    def __init__(self, path: Path, *, busy_s: float) -> None:
        self._path, self._busy_s = path, busy_s
        shared = PLACE.get().folder
        self._line = None if shared is None else shared / "writing"

    @property
    def address(self) -> Address:
        return address_of(self._path)

    def prepare(self) -> None:
        _prepare(self._path, self._busy_s)

    def connect(self, *, reader: bool = False) -> Database:
        db = _connect(self._path, self._busy_s, reader=reader)
        db.execute(f"PRAGMA cache_size = -{_READER_KB if reader else _WRITER_KB}")
        return db

    def identity(self) -> object:
        return identity(self._path)

    def turn(self) -> AbstractContextManager[None]:
        return turn(self._line, self._busy_s)

    def prove(self, db: Any) -> None:
        # Its header has a number that is ours to use.
        (version,) = db.execute("PRAGMA user_version").fetchone()
        db.execute(f"PRAGMA user_version = {version}")

    def room(self) -> None:
        prove_room(self._path)

    def close(self) -> None:
        """Nothing is shared."""


def _connect(path: Path, busy_s: float, *, reader: bool = False) -> Database:
    # `mode=rw` so that a file that has gone is an error and not a new, empty log.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    # Readers are closed by the thread that closes the store; each is used by one thread at a time until then.
    conn = sqlite3.connect(uri, uri=True, timeout=busy_s, isolation_level=None, check_same_thread=not reader)
    try:
        db = Database(conn, execute_plugins=False)
        db.execute("PRAGMA query_only = ON" if reader else "PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        conn.close()
        raise
    return db


def open_reader(path: Path, *, busy_s: float = 5.0) -> Database:
    """A connection to the log at ``path`` that cannot write, for one thread; close it. Raises StoreError."""
    return _open(path, busy_s, reader=True)


def open_writer(path: Path, *, busy_s: float = 5.0) -> Database:
    """A connection to the log at ``path`` that may write beside a running service; close it. Raises StoreError."""
    return _open(path, busy_s, reader=False)


def _open(path: Path, busy_s: float, *, reader: bool) -> Database:
    if not path.exists():
        raise StoreError(f"{path}: {NO_LOG}")
    try:
        db = _connect(path, busy_s, reader=reader)
    except sqlite3.Error as error:
        raise StoreError(explain(error, path)) from error
    try:
        _check(db, path)
        if old := migrations.missing(db):
            raise StoreError(
                f"{path}: an older version of this program wrote it (schema step {old[0]} is missing); "
                "`ensemble log migrate` brings it up to date, and so does the service when it starts"
            )
    except sqlite3.Error as error:
        db.close()
        raise StoreError(explain(error, path)) from error
    except BaseException:
        db.close()
        raise
    return db


def _prepare(path: Path, busy_s: float) -> None:
    try:
        _create(path)
        db = _connect(path, busy_s)
    except OSError as error:
        raise StoreError(f"{path}: the log cannot be made: {barred(path) or error.strerror}") from error
    except sqlite3.Error as error:
        raise StoreError(explain(error, path)) from error
    try:
        _check(db, path)
        _enable_wal(db, path, busy_s)
        _migrate(db, path)
    except sqlite3.Error as error:
        raise StoreError(explain(error, path)) from error
    finally:
        db.close()


def _create(path: Path) -> None:
    """Make the file readable by its owner alone; SQLite gives its -wal and -shm the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return


def _check(db: Database, path: Path) -> None:
    if not db.execute("PRAGMA schema_version").fetchone()[0]:
        return
    if not migrations.applied(db) and db.table_names():
        raise StoreError(f"{path}: this SQLite file belongs to another program; name another one in [store]")
    if newer := migrations.unknown(db):
        raise StoreError(
            f"{path}: a newer version of this program wrote it (schema step {newer[-1]}); "
            "install that version, or name another file in [store]"
        )


def _enable_wal(db: Database, path: Path, busy_s: float) -> None:
    # Two processes may open a new file at once, and SQLite does not wait for its lock while changing the journal mode.
    end = time.monotonic() + busy_s
    while db.journal_mode != "wal":
        try:
            db.enable_wal()
        except sqlite3.OperationalError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.02)
        else:
            break
    if db.journal_mode != "wal":
        raise StoreError(f"{path}: this file system has no shared memory for SQLite; put the log on a local disk")


def _migrate(db: Database, path: Path) -> None:
    if not migrations.missing(db):
        return
    if done := migrations.applied(db):
        _copy(db, path.with_name(f"{path.name}.schema-{len(done)}"))
    db.execute("BEGIN IMMEDIATE")
    try:
        migrations.MIGRATIONS.apply(db)
        db.execute(f"PRAGMA user_version = {len(migrations.applied(db))}")
        db.commit()
    finally:
        db.rollback()


def _copy(db: Database, target: Path) -> None:
    """The file as it is before a migration: to return, stop the program and move the copy over the file."""
    target.unlink(missing_ok=True)
    _create(target)
    copy = sqlite3.connect(target)
    try:
        db.conn.backup(copy)
    finally:
        copy.close()


def schema_of(path: Path) -> int:
    """How many schema steps the log at ``path`` has. Raises StoreError where it is no log, or none of ours."""
    if not path.exists():
        raise StoreError(f"{path}: {NO_LOG}")
    try:
        db = _connect(path, 5.0, reader=True)
        try:
            _check(db, path)
            return len(migrations.applied(db))
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StoreError(explain(error, path)) from error
