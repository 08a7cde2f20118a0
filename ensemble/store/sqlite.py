"""The engine that keeps the log in one SQLite file: one writer, a few readers, WAL, synchronous=FULL."""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from sqlite_utils import Database as SqliteDatabase

from ensemble.errors import StoreError
from ensemble.money import Total
from ensemble.store import migrations, queries
from ensemble.store.database import Database
from ensemble.store.faults import explain, identity
from ensemble.store.label_rows import People
from ensemble.store.overflow import Overflow
from ensemble.store.rows import Rows, late_rows_of, rows_of
from ensemble.store.spill import Spill
from ensemble.store.texts import strip
from ensemble.store.writer import Writer
from ensemble.types import Label, Late, Record, RequestId

R = TypeVar("R")
READERS = 4
"""Threads that read at once; more would only queue up at the disk."""


class SqliteStore:
    """A ``Store`` in one SQLite file. Open it with ``open_store``, on the event loop that will use it."""

    def __init__(self, path: Path, *, busy_s: float, spill: Path | None = None) -> None:
        self._path, self._busy_s = path, busy_s
        self._writer = Writer(path, self._connect)
        self._overflow = Overflow(Spill(spill), self._writer) if spill else None
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="ensemble-store-reader")
        self._local = threading.local()
        self._readers: list[Database] = []
        self._closed = False

    @classmethod
    async def open(cls, path: Path, *, busy_s: float, spill: Path | None = None) -> Self:
        """Open or create the file and bring its schema up to date. Raises StoreError as ``open_store`` does."""
        await asyncio.to_thread(_prepare, path, busy_s)
        store = cls(path, busy_s=busy_s, spill=spill)
        await store.settle()
        return store

    async def record(self, record: Record) -> None:
        try:
            rows = rows_of(record)
        except (TypeError, ValueError) as error:
            raise StoreError(f"request {record.request.id} cannot be stored: {error}") from error
        if not record.keep:
            strip(rows)
        await self._write(rows)

    async def record_late(self, late: Late) -> None:
        try:
            rows = late_rows_of(late)
        except (TypeError, ValueError) as error:
            raise StoreError(f"request {late.request}: what came late cannot be stored: {error}") from error
        await self._write(rows)

    async def request(self, id_: RequestId) -> Mapping[str, object] | None:
        return await self.read(lambda db: queries.request(db, id_))

    async def counts(self) -> Mapping[str, int]:
        return await self.read(queries.counts)

    async def ledger_total(self) -> Total:
        return await self.read(queries.ledger_total)

    def labels(self, *, complete: bool = True, people: People = "ignore") -> Iterator[Label]:
        db = self._connect(reader=True)
        try:
            db.begin()
            yield from queries.labels(db, complete=complete, people=people)
        except sqlite3.Error as error:
            raise StoreError(explain(error, self._path)) from error
        finally:
            db.close()

    async def ping(self) -> None:
        try:
            await self._writer.write(None)
        except StoreError:
            if self._overflow is None:
                raise
            await self._overflow.prove()

    async def settle(self) -> None:
        """Take in what was spilled, if anything was and the log can be written."""
        if self._overflow is not None:
            await self._overflow.settle()

    async def _write(self, rows: Rows) -> None:
        if self._overflow is None:
            await self._writer.write(rows)
        else:
            await self._overflow.write(rows)

    async def close(self) -> None:
        self._closed = True
        try:
            if self._overflow is not None:
                await self._overflow.settle(at_once=True)
            await self._writer.close()
        finally:
            await asyncio.to_thread(self._pool.shutdown)
            for db in self._readers:
                db.close()
            self._readers.clear()

    async def change(self, change: Callable[[Database], R]) -> R:
        return await self._writer.change(change)

    async def read(self, question: Callable[[Database], R]) -> R:
        if self._closed:
            raise StoreError(f"{self._path}: the log has been closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._ask, question)

    def _ask(self, question: Callable[[Database], R]) -> R:
        """Answer ``question`` from one snapshot, on this thread's own connection."""
        db: Database | None = getattr(self._local, "db", None)
        sound = False
        try:
            file = identity(self._path)
            if db is None or file != self._local.file:
                db, self._local.file = self._connect(reader=True), file
                self._readers.append(db)
                self._local.db = db
            db.begin()
            answer = question(db)
            db.rollback()
            sound = True
        except (sqlite3.Error, OSError) as error:
            raise StoreError(explain(error, self._path)) from error
        finally:
            # A connection that met a fault is not used again: the cause may be mended by the next question.
            if db is not None and not sound:
                self._local.db = None
                self._readers.remove(db)
                db.close()
        return answer

    def _connect(self, *, reader: bool = False) -> Database:
        return _connect(self._path, self._busy_s, reader=reader)


def _connect(path: Path, busy_s: float, *, reader: bool = False) -> SqliteDatabase:
    # `mode=rw` so that a file that has gone is an error and not a new, empty log.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    # Readers are closed by the thread that closes the store; each is used by one thread at a time until then.
    conn = sqlite3.connect(uri, uri=True, timeout=busy_s, isolation_level=None, check_same_thread=not reader)
    try:
        db = SqliteDatabase(conn, execute_plugins=False)
        db.execute("PRAGMA query_only = ON" if reader else "PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        conn.close()
        raise
    return db


def open_reader(path: Path, *, busy_s: float = 5.0) -> SqliteDatabase:
    """A connection to the log at ``path`` that cannot write, for one thread; close it. Raises StoreError."""
    return _open(path, busy_s, reader=True)


def open_writer(path: Path, *, busy_s: float = 5.0) -> SqliteDatabase:
    """A connection to the log at ``path`` that may write beside a running service; close it. Raises StoreError."""
    return _open(path, busy_s, reader=False)


def _open(path: Path, busy_s: float, *, reader: bool) -> SqliteDatabase:
    if not path.exists():
        raise StoreError(f"{path}: there is no log; name the file with --db, or the configuration with --config")
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
        raise StoreError(f"{path}: the log cannot be made: {error.strerror}") from error
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


def _check(db: SqliteDatabase, path: Path) -> None:
    if not db.execute("PRAGMA schema_version").fetchone()[0]:
        return
    if not migrations.applied(db) and db.table_names():
        raise StoreError(f"{path}: this SQLite file belongs to another program; name another one in [store]")
    if newer := migrations.unknown(db):
        raise StoreError(
            f"{path}: a newer version of this program wrote it (schema step {newer[-1]}); "
            "install that version, or name another file in [store]"
        )


def _enable_wal(db: SqliteDatabase, path: Path, busy_s: float) -> None:
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


def _migrate(db: SqliteDatabase, path: Path) -> None:
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


def _copy(db: SqliteDatabase, target: Path) -> None:
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
        raise StoreError(f"{path}: there is no log; name the file with --db, or the configuration with --config")
    try:
        db = _connect(path, 5.0, reader=True)
        try:
            _check(db, path)
            return len(migrations.applied(db))
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StoreError(explain(error, path)) from error
