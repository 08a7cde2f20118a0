"""Connections for whoever works on the log beside the service, or without it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from ensemble.errors import StoreError
from ensemble.store.address import Where
from ensemble.store.database import Database
from ensemble.store.opening import explained, open_writer, reading

__all__ = ["reading", "transaction", "understood", "writing"]


@contextmanager
def writing(where: Where, *, busy_s: float = 30.0) -> Iterator[Database]:
    """A connection that may write to the log at ``where``, outside any transaction; a service goes on beside it.

    ``busy_s`` is how long to wait for the lock that the service holds while it commits. Raises StoreError.
    """
    with explained(where), closing(open_writer(where, busy_s=busy_s)) as db:
        yield db


@contextmanager
def understood(db: Database) -> Iterator[None]:
    """Around a question with a condition that a user wrote, as ``--where``.

    Raises:
        StoreError: it is none that the engine understands; an open transaction goes on.
    """
    inside = db.conn.in_transaction
    if inside:  # what fails within one ends it on PostgreSQL
        db.execute("SAVEPOINT asked")
    try:
        yield
    except db.conn.OperationalError as error:
        if inside:
            db.execute("ROLLBACK TO asked")
        raise StoreError(f"--where: {error}; it is a condition on the columns of requests") from error
    finally:
        if inside:
            db.execute("RELEASE asked")


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
