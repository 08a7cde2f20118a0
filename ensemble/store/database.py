"""What a question to the log, or a change of it, is given: a connection to whichever engine keeps it.

Questions and changes are functions over a ``Database``, in one text of SQL for every engine: SQLite's, of which
``ensemble.store.postgres`` makes PostgreSQL's. ``sqlite_utils.Database`` is one as it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeGuard

import sqlite_utils

Values = Sequence[Any] | dict[str, Any]
"""What stands for ``?``, one after another, or for ``:name``."""


class Cursor(Protocol):
    """The rows that a statement gave, as tuples, and how many it changed."""

    @property
    def rowcount(self) -> int:
        """Rows inserted, changed or deleted."""
        ...

    @property
    def description(self) -> Any:
        """A tuple per column that begins with its name; None where there are no rows to give."""
        ...

    def fetchone(self) -> Any:
        """The next row, None behind the last."""
        ...

    def fetchall(self) -> list[Any]:
        """The rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """The connection below: the same without what is kept about statements."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...

    def execute(self, sql: str, parameters: Values = (), /) -> Cursor:
        """Run one statement."""
        ...

    def executemany(self, sql: str, parameters: Iterable[Values], /) -> Cursor:
        """Run it once for each of ``parameters``."""
        ...


class Database(Protocol):
    """A connection to the log, for one thread at a time."""

    @property
    def conn(self) -> Any:
        """The ``Connection`` below, or the engine's own, which can do what that can."""
        ...

    def execute(self, sql: str, parameters: Values | None = None) -> Cursor:
        """Run one statement."""
        ...

    def query(self, sql: str, params: Values | None = None) -> Iterator[dict[str, Any]]:
        """The rows of a statement as dictionaries by column."""
        ...

    def begin(self) -> None:
        """Begin a transaction; one that reads sees one snapshot."""
        ...

    def commit(self) -> None:
        """Make it durable."""
        ...

    def rollback(self) -> None:
        """Undo it."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...

    def table_names(self) -> list[str]:
        """Every table of the log."""
        ...


def is_sqlite(db: Database) -> TypeGuard[sqlite_utils.Database]:
    """Whether SQLite keeps the log, for the few questions that only one engine can be asked."""
    return isinstance(db, sqlite_utils.Database)
