"""What tests of the log do to it from outside, on either engine."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

from ensemble.store.address import Where
from ensemble.store.database import Database
from ensemble.store.keeping.connect import writing
from ensemble.store.opening import open_writer
from tests import services
from tests.services import Schema

_EMPTY = """
DO $$
DECLARE one record;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR one IN SELECT format('%%I.%%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = '%(schema)s'
        AND tablename NOT IN ('_sqlite_migrations', '_proof')
    LOOP EXECUTE 'DELETE FROM ' || one.name; END LOOP;
    FOR one IN SELECT format('%%I.%%I', schemaname, sequencename) AS name FROM pg_sequences
        WHERE schemaname = '%(schema)s' AND last_value IS NOT NULL
    LOOP EXECUTE format('ALTER SEQUENCE %%s RESTART', one.name); END LOOP;
    DELETE FROM %(schema)s._sqlite_migrations WHERE name LIKE '9999%%';
END $$
"""


def on_server(server: str, *statements: str) -> None:
    """Run statements there from a thread, since the test's own event loop may stand in this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, services.execute(server, *statements)).result()


def drop(schema: Schema) -> None:
    """Drop all of it."""
    on_server(schema.server, f"DROP SCHEMA IF EXISTS {schema.name} CASCADE")


def empty(schema: Schema) -> None:
    """Take every row out of a log and begin its numbers anew: ten times as fast as to make it."""
    on_server(schema.server, _EMPTY % {"schema": schema.name})


@contextmanager
def locked(where: Where) -> Iterator[Database]:
    """A writer of another program, which holds the lock for as long as this takes."""
    with closing(open_writer(where)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other
        other.rollback()


def from_the_future(where: Where, *names: str) -> None:
    """Mark the log as one of a newer release, which has applied the steps ``names``."""
    with writing(where) as db:
        for name in names:
            db.execute(
                "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('ensemble', ?, '2030-01-01')",
                [name],
            )
