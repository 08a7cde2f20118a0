"""The engine that keeps the log in a schema on a PostgreSQL server."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from ensemble.errors import StoreError
from ensemble.store.address import NO_LOG, Address

if TYPE_CHECKING:
    from ensemble.store.database import Database
    from ensemble.store.postgres.database import Loop, PostgresDatabase

_STEPS = """
CREATE TABLE _sqlite_migrations (
    migration_set TEXT NOT NULL, name TEXT NOT NULL, applied_at TEXT NOT NULL, compatible BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (migration_set, name)
);
COMMENT ON TABLE _sqlite_migrations IS 'Steps of the schema, as sqlite-utils keeps them in a file.';
COMMENT ON COLUMN _sqlite_migrations.compatible IS '1 if the release before the step can go on beside it.';
CREATE TABLE _proof (one BIGINT PRIMARY KEY, at TEXT NOT NULL);
COMMENT ON TABLE _proof IS 'Written to show that writing works.';
INSERT INTO _proof VALUES (1, '');
"""
Step = tuple[str, str, bool]
"""Name, text, and whether the release before it may go on beside it."""


class PostgresEngine:
    """Fulfils ``ensemble.store.engine.Engine`` for a server."""

    def __init__(self, address: Address, *, busy_s: float) -> None:
        require()
        self._address, self._busy_s = address, busy_s
        self._loop: Loop | None = None
        self._making = threading.Lock()

    @property
    def address(self) -> Address:
        return self._address

    def prepare(self) -> None:
        with _connected(self._address, self._busy_s) as db, _explained(self._address):
            migrate(db, self._address)

    def connect(self, *, reader: bool = False) -> PostgresDatabase:
        from ensemble.store.postgres.database import Loop, connected

        with self._making:  # readers may want the first connection at once
            loop = self._loop = self._loop or Loop()
        return connected(loop, self._address, busy_s=self._busy_s, reader=reader)

    def identity(self) -> object:
        """Connections to a server notice themselves that it has gone."""
        return None

    def turn(self) -> AbstractContextManager[None]:
        return nullcontext()  # whoever begins waits for the lock on the server

    def prove(self, db: Database) -> None:
        db.execute("UPDATE _proof SET at = to_char(now(), 'YYYY-MM-DD\"T\"HH24:MI:SS.US') WHERE one = 1")

    def room(self) -> None:
        """The disk is the server's to look after."""

    def close(self) -> None:
        if self._loop is not None:
            self._loop.close()
            self._loop = None


def require() -> None:
    """Raises StoreError where the extra is not installed."""
    if importlib.util.find_spec("asyncpg") is None:
        raise StoreError("a log on PostgreSQL needs asyncpg: pip install 'ensemble-judges[postgres]'")


def open_database(address: Address, *, busy_s: float, reader: bool) -> PostgresDatabase:
    """A connection to the log at ``address``, for one thread; close it. Raises StoreError."""
    require()
    from ensemble.store.postgres.database import Loop, connected

    loop = Loop()
    try:
        with _explained(address):
            db = connected(loop, address, busy_s=busy_s, reader=reader, own=True)
            try:
                _check(db, address)
            except BaseException:
                db.close()
                raise
    except BaseException:
        loop.close()
        raise
    return db


def steps_of(address: Address) -> int:
    """How many schema steps the log at ``address`` has. Raises StoreError."""
    with _connected(address, 5.0) as db, _explained(address):
        return len(_applied(db, address))


def migrate(db: PostgresDatabase, address: Address, steps: Sequence[Step] | None = None) -> None:
    """Apply the steps that the log lacks, each in a transaction of its own, under a lock that all replicas take.

    Raises:
        StoreError: the schema is another program's, or a newer release's that this one cannot go on beside.
    """
    steps = _steps() if steps is None else steps
    done = _applied(db, address)
    if _fitting(done, steps, address):
        return
    db.execute("SELECT pg_advisory_lock(?, hashtext(?))", [_MIGRATING, address.schema])
    try:
        db.script(f'CREATE SCHEMA IF NOT EXISTS "{address.schema}"')
        done = _applied(db, address)
        if not done:
            db.script(f"BEGIN;{_STEPS}")
        for name, text, compatible in steps:
            if name in done:
                continue
            if not db.in_transaction:
                db.execute("BEGIN IMMEDIATE")
            db.script(text)
            db.execute(
                "INSERT INTO _sqlite_migrations (migration_set, name, applied_at, compatible) "
                "VALUES ('ensemble', ?, now()::text, ?)",
                [name, int(compatible)],
            )
            if done:
                db.commit()
        if db.in_transaction:
            db.commit()
    finally:
        db.rollback()
        db.execute("SELECT pg_advisory_unlock(?, hashtext(?))", [_MIGRATING, address.schema])


_MIGRATING = 0x454E534B


def _steps() -> list[Step]:
    from ensemble.store.postgres.schema import steps

    return list(steps())


def _check(db: PostgresDatabase, address: Address) -> None:
    done, steps = _applied(db, address), _steps()
    if not done:
        raise StoreError(f"{address}: {NO_LOG}")
    if not _fitting(done, steps, address):
        old = next(name for name, _, _ in steps if name not in done)
        raise StoreError(
            f"{address}: an older version of this program wrote it (schema step {old} is missing); "
            "`ensemble log migrate` brings it up to date, and so does the service when it starts"
        )


def _applied(db: PostgresDatabase, address: Address) -> dict[str, bool]:
    """Steps that the log has, and whether the release before each may go on; empty where there is no log."""
    tables = db.table_names()
    if "_sqlite_migrations" not in tables:
        if tables:
            raise StoreError(f"{address}: this schema belongs to another program; name another one with ?schema=")
        return {}
    rows = db.execute("SELECT name, compatible FROM _sqlite_migrations WHERE migration_set = 'ensemble' ORDER BY name")
    return {name: bool(compatible) for name, compatible in rows.fetchall()}


def _fitting(done: dict[str, bool], steps: Sequence[Step], address: Address) -> bool:
    """Whether the log has every step that this release knows."""
    known = {name for name, _, _ in steps}
    newer = [name for name in done if name not in known]
    # One step, of the release that comes next: a rolling upgrade has both at work for a while.
    if newer and (len(newer) > 1 or not done[newer[0]]):
        raise StoreError(
            f"{address}: a newer version of this program wrote it (schema step {newer[-1]}); "
            "install that version, or name another schema in [store]"
        )
    return known <= done.keys()


@contextmanager
def _connected(address: Address, busy_s: float) -> Iterator[PostgresDatabase]:
    require()
    from ensemble.store.postgres.database import Loop, connected

    loop = Loop()
    try:
        with _explained(address):
            db = connected(loop, address, busy_s=busy_s, reader=False)
        try:
            yield db
        finally:
            db.close()
    finally:
        loop.close()


@contextmanager
def _explained(address: Address) -> Iterator[None]:
    from ensemble.store.faults import explain
    from ensemble.store.postgres.faults import ServerFault

    try:
        yield
    except ServerFault as error:
        raise StoreError(explain(error, address)) from error
