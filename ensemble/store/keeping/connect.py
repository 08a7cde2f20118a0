"""Connections for whoever works on the log beside the service, or without it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from ensemble.errors import StoreError
from ensemble.store.faults import explain
from ensemble.store.sqlite import open_reader, open_writer


@contextmanager
def reading(path: Path) -> Iterator[Database]:
    """One snapshot of the log at ``path``, on a connection that cannot write. Raises StoreError."""
    db = open_reader(path)
    try:
        db.begin()
        yield db
    except sqlite3.Error as error:
        raise StoreError(explain(error, path)) from error
    finally:
        db.close()


@contextmanager
def writing(path: Path, *, busy_s: float = 30.0) -> Iterator[Database]:
    """A connection that may write to the log at ``path``, outside any transaction; a running service goes on beside it.

    ``busy_s`` is how long to wait for the lock that the service holds while it commits. Raises StoreError.
    """
    db = open_writer(path, busy_s=busy_s)
    try:
        yield db
    except sqlite3.Error as error:
        raise StoreError(explain(error, path)) from error
    finally:
        db.close()


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """All of it or nothing of it, on a connection of ``writing``."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.conn.in_transaction:
            db.execute("ROLLBACK")
        raise
