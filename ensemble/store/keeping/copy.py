"""A log moves from one engine to another: table by table in the order of the keys, and looked over at the end.

Both sides are read in pages side by side. What the copy lacks is written, what differs is written anew, and what the
log has no longer goes. So a copy that was cut off goes on where it was, and one that is whole takes in what came since.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ensemble.errors import StoreError
from ensemble.store.address import Where, address_of
from ensemble.store.database import Database
from ensemble.store.describe import Table, describe
from ensemble.store.faults import explain
from ensemble.store.keeping.connect import reading, transaction, writing
from ensemble.store.keeping.engines import count_on, insert
from ensemble.store.keeping.search import forget, remember
from ensemble.store.postgres.faults import RowFault

PAGE = 500
"""Rows that are read at once, and most rows of a transaction."""
_LASTING = ("requests", "api_keys", "tombstones", "feedback")
"""Tables whose rows are never taken out of a log, and have ids that no two logs share."""
NUL = "\0"
_SEARCHED = ("requests", "candidates")
"""Tables whose texts are in the search index of the copy; their keys begin with the id of the request."""

Row = tuple[Any, ...]


@dataclass(slots=True, kw_only=True)
class Copied:
    """What became of one table.

    Attributes:
        rows: in the log, at the moment at which the copying began.
        written: rows that the copy lacked, changed: that differed, removed: that the log has no longer.
        digest: sum over the rows of the log of 64 bits of a hash; ``there`` and ``found``, of those in the copy.
    """

    table: str
    rows: int = 0
    written: int = 0
    changed: int = 0
    removed: int = 0
    digest: int = 0
    found: int = 0
    there: int = 0

    @property
    def whole(self) -> bool:
        """The copy holds the rows of the log, and no others."""
        return (self.rows, self.digest) == (self.there, self.found)


class Refusal(Exception):
    """The copy does not take rows of a table; the text says which, and what is known of why: ``fault`` names no row."""

    def __init__(self, fault: RowFault, told: str) -> None:
        super().__init__(told)
        self.fault = fault


def copy(source: Where, target: Where, tell: Callable[[Copied], None] = lambda one: None) -> list[Copied]:
    """Bring the log at ``target``, which is there, to what the log at ``source`` holds now; return what became of it.

    Reads one snapshot of ``source``, which may be served meanwhile; nobody else may write to ``target``. Interrupted,
    it can be run again, and goes on. ``tell`` is told of each table when it is done, before it is looked over. The
    search index of ``target`` is its own, and takes in what came with the next search. Blocks.

    Raises:
        StoreError: they are one log, ``target`` holds rows of another one, or one of them cannot be read or written.
    """
    if address_of(source).is_same(address_of(target)):
        raise StoreError(f"{address_of(source)}: a log cannot be copied to itself")
    done = []
    with reading(source) as log, writing(target) as db:
        _refuse_foreign(log, db, target)
        for table in describe():
            one = Copied(table=table.name)
            try:
                _Sync(log, db, table, one).run()
            except Refusal as error:
                raise StoreError(f"{explain(error.fault, address_of(target))}; {error}") from error
            tell(one)
            done.append(one)
        count_on(db)
    with reading(target) as db:
        for table, one in zip(describe(), done, strict=True):
            one.there, one.found = _looked_over(db, table)
    return done


def _refuse_foreign(log: Database, db: Database, target: Where) -> None:
    for name in _LASTING:
        for ids in _pages(db, name, ("id",), ("id",)):
            marks = ", ".join("?" * len(ids))
            sql = f"SELECT count(*) FROM {name} WHERE id IN ({marks})"  # noqa: S608 - own names
            (known,) = log.execute(sql, [id_ for (id_,) in ids]).fetchone()
            if known < len(ids):
                raise StoreError(
                    f"{address_of(target)}: it holds {name} that the log to copy lacks: it is another log, or it has "
                    "been written to since it was copied; name one that is empty"
                )


def _pages(db: Database, table: str, columns: Sequence[str], key: Sequence[str]) -> Iterator[list[Row]]:
    """All rows in the order of ``key``, which ``columns`` begins with; each page is read whole."""
    names, order = ", ".join(columns), ", ".join(key)
    after, given = "", list[Any]()
    while True:
        sql = f"SELECT {names} FROM {table} {after} ORDER BY {order} LIMIT {PAGE}"  # noqa: S608 - own names
        rows: list[Row] = [tuple(row) for row in db.execute(sql, given)]
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        after, given = f"WHERE ({order}) > ({', '.join('?' * len(key))})", [*rows[-1][: len(key)]]


def _rows(db: Database, table: Table) -> Iterator[Row]:
    for page in _pages(db, table.name, _columns(table), table.key):
        yield from page


def _columns(table: Table) -> tuple[str, ...]:
    """Those of the key first."""
    return (*table.key, *(column.name for column in table.columns if column.name not in table.key))


def _hash(row: Row) -> int:
    return int.from_bytes(hashlib.blake2b(repr(row).encode(), digest_size=8).digest())


def _looked_over(db: Database, table: Table) -> tuple[int, int]:
    count = digest = 0
    for row in _rows(db, table):
        count += 1
        digest = (digest + _hash(row)) % 2**64
    return count, digest


@dataclass(slots=True)
class _Sync:
    """Brings one table of ``db`` to what ``log`` holds."""

    log: Database
    db: Database
    table: Table
    told: Copied
    new: list[Row] = field(default_factory=list)
    other: list[Row] = field(default_factory=list)
    gone: list[Row] = field(default_factory=list)

    def run(self) -> None:
        width = len(self.table.key)
        held = _rows(self.db, self.table)
        theirs = next(held, None)
        for row in _rows(self.log, self.table):
            self.told.rows += 1
            self.told.digest = (self.told.digest + _hash(row)) % 2**64
            key = row[:width]
            while theirs is not None and theirs[:width] < key:
                self._put(self.gone, theirs[:width])
                theirs = next(held, None)
            if theirs is None or theirs[:width] > key:
                self._put(self.new, row)
                continue
            if theirs != row:
                self._put(self.other, row)
            theirs = next(held, None)
        while theirs is not None:
            self._put(self.gone, theirs[:width])
            theirs = next(held, None)
        self._flush()

    def _put(self, into: list[Row], row: Row) -> None:
        into.append(row)
        if len(self.new) + len(self.other) + len(self.gone) >= PAGE:
            self._flush()

    def _flush(self) -> None:
        if not (self.new or self.other or self.gone):
            return
        try:
            self._write()
        except RowFault as fault:
            raise Refusal(fault, self._blamed()) from fault
        self.told.written += len(self.new)
        self.told.changed += len(self.other)
        self.told.removed += len(self.gone)
        self.new, self.other, self.gone = [], [], []

    def _blamed(self) -> str:
        """Which row was not taken, by its key alone, since texts are nobody's business here."""
        rows = [*self.new, *self.other]
        for row in rows:
            for column, value in zip(_columns(self.table), row, strict=True):
                if isinstance(value, str) and NUL in value:
                    why = "its text holds a NUL, which a server cannot keep; store it without in the log that is copied"
                    return f"{self._key(row)}, column {column}: {why}"
        rows += self.gone
        return f"one of these rows: {self._key(rows[0])} to {self._key(rows[-1])}"

    def _key(self, row: Row) -> str:
        pairs = zip(self.table.key, row[: len(self.table.key)], strict=True)
        return f"{self.table.name} {', '.join(f'{name} = {value!r}' for name, value in pairs)}"

    def _write(self) -> None:
        name, columns, key = self.table.name, _columns(self.table), self.table.key
        width = len(key)
        where = " AND ".join(f"{one} = ?" for one in key)
        many = self.db.conn.executemany
        with transaction(self.db), self._searched():
            if self.gone:
                many(f"DELETE FROM {name} WHERE {where}", self.gone)  # noqa: S608 - own names
            if self.other:
                sets = ", ".join(f"{one} = ?" for one in columns[width:])
                many(
                    f"UPDATE {name} SET {sets} WHERE {where}",  # noqa: S608 - own names
                    [(*row[width:], *row[:width]) for row in self.other],
                )
            if self.new:
                insert(self.db, name, columns, self.new)

    @contextmanager
    def _searched(self) -> Iterator[None]:
        """Takes what is about to change out of the search index with the text that it has, and puts it back after."""
        ids = {row[0] for row in (*self.other, *self.gone)} if self.table.name in _SEARCHED else set[str]()
        forget(self.db, ids)
        yield
        remember(self.db, ids)
