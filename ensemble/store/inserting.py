"""Rows on their way into a table: several by one statement, where there are as many."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

from ensemble.store.database import Database

PACK = 8
"""Rows of one statement, where there are as many: during each the writer has given up the interpreter, and on a busy
loop it waits to get it back. Statements of more rows gain little and fit fewer batches."""


class Into(NamedTuple):
    """Statements that insert one row, and ``PACK`` of them."""

    one: str
    pack: str


def insert_of(table: str, columns: Iterable[str], rows: int = 1) -> str:
    """The statement that inserts so many ``rows`` of ``columns`` into ``table``."""
    names = tuple(columns)
    marks = ", ".join([f"({', '.join('?' * len(names))})"] * rows)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES {marks}"  # noqa: S608 - own names


def into(table: str, columns: Iterable[str]) -> Into:
    """What inserts rows of ``columns`` into ``table``."""
    names = tuple(columns)
    return Into(insert_of(table, names), insert_of(table, names, PACK))


def insert(db: Database, statements: Into, rows: Sequence[Sequence[Any]]) -> None:
    """Insert ``rows`` by ``statements``, in their order."""
    if packs := len(rows) // PACK:
        ends = range(PACK, packs * PACK + 1, PACK)
        db.conn.executemany(statements.pack, [tuple(chain.from_iterable(rows[end - PACK : end])) for end in ends])
    if left := rows[packs * PACK :]:
        db.conn.executemany(statements.one, left)
