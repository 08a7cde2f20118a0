"""A connection to a log for one thread, whatever engine keeps it, and what its faults are called."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ensemble.errors import StoreError
from ensemble.store import sqlite
from ensemble.store.address import Address, Where, address_of
from ensemble.store.database import Database
from ensemble.store.engine import Engine
from ensemble.store.faults import FAULTS, explain
from ensemble.store.postgres import engine as postgres


def open_reader(where: Where, *, busy_s: float = 5.0) -> Database:
    """A connection to the log at ``where`` that cannot write, for one thread; close it. Raises StoreError."""
    address = address_of(where)
    if address.file is None:
        return postgres.open_database(address, busy_s=busy_s, reader=True)
    return sqlite.open_reader(address.file, busy_s=busy_s)


def open_writer(where: Where, *, busy_s: float = 5.0) -> Database:
    """A connection to the log at ``where`` that may write beside a running service; close it. Raises StoreError."""
    address = address_of(where)
    if address.file is None:
        return postgres.open_database(address, busy_s=busy_s, reader=False)
    return sqlite.open_writer(address.file, busy_s=busy_s)


def engine_of(where: Where, *, busy_s: float = 5.0) -> Engine:
    """The engine that keeps the log at ``where``. Raises StoreError where what it needs is not installed."""
    address = address_of(where)
    if address.file is None:
        return postgres.PostgresEngine(address, busy_s=busy_s)
    return sqlite.SqliteEngine(address.file, busy_s=busy_s)


def schema_of(where: Where) -> int:
    """How many schema steps the log at ``where`` has. Raises StoreError where it is no log, or none of ours."""
    address = address_of(where)
    return postgres.steps_of(address) if address.file is None else sqlite.schema_of(address.file)


def made(where: Where) -> bool:
    """Whether there is a log at ``where``, of whatever release. Raises StoreError where something else is."""
    address = address_of(where)
    return exists(address) and schema_of(address) > 0


@contextmanager
def explained(where: Where) -> Iterator[None]:
    """Turns what an engine says of a fault of the log at ``where`` into a StoreError that says what to do."""
    try:
        yield
    except FAULTS as error:
        raise StoreError(explain(error, address_of(where))) from error


@contextmanager
def reading(where: Where) -> Iterator[Database]:
    """One snapshot of the log at ``where``, on a connection that cannot write. Raises StoreError."""
    with explained(where):
        db = open_reader(where)
        try:
            db.begin()
            yield db
        finally:
            db.close()


def exists(address: Address) -> bool:
    """Whether a log may be there: a server is asked only by whoever opens it."""
    return address.file is None or address.file.is_file()


def file_of(where: Where) -> Path:
    """The file of the log at ``where``.

    Raises:
        StoreError: a server keeps it.
    """
    address = address_of(where)
    if address.file is None:
        raise StoreError(f"{address}: a server keeps this log, and what was asked for is about a file")
    return address.file
