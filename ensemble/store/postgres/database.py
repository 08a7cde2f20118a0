"""A connection to a log on PostgreSQL that is used as one to SQLite is: by one thread, which waits for each answer.

The questions to the log are plain functions over a connection. asyncpg is not plain, so its connections live on an
event loop in a thread of their own, and whoever asks waits for what comes back.
"""

import asyncio
import re
import threading
import weakref
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar, cast

import asyncpg

from ensemble.store.address import Address
from ensemble.store.database import Values
from ensemble.store.postgres.dialect import Statement, translate
from ensemble.store.postgres.faults import ServerFault, UndoneFault, fault_of

T = TypeVar("T")
Row = tuple[Any, ...]
STATEMENT_S = 120.0
"""Longest that one statement may take; the server ends it a second earlier."""
UPKEEP_S = 86_400.0
"""The same, for upkeep."""
CONNECT_S = 10.0
PAGE = 1000
"""Rows that are fetched at once where a result is read piece by piece."""
_KEPT = 300
"""Prepared statements per connection."""
WRITERS = 0x454E534A
"""Key of the advisory lock that whoever writes to a log holds until its transaction ends (with the schema's own)."""


class Loop:
    """An event loop in a thread of its own, on which connections live."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ensemble-store-postgres", daemon=True)
        self._connections = weakref.WeakSet["asyncpg.Connection[Any]"]()
        self._closed = False
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float = STATEMENT_S) -> T:
        """What ``work`` returns; call it from any other thread. Raises ServerFault."""
        if self._closed:
            work.close()
            raise ServerFault("the log has been closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_s)
        except TimeoutError as error:
            future.cancel()
            raise fault_of(error) from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            raise fault_of(error) from error

    def keep(self, connection: "asyncpg.Connection[Any]") -> None:
        """See to it that ``connection`` does not outlive this."""
        self._connections.add(connection)

    def end(self, connection: "asyncpg.Connection[Any]") -> None:
        """Close ``connection`` without a word to the server."""
        if not self._closed:
            self._loop.call_soon_threadsafe(connection.terminate)

    def close(self) -> None:
        """End the thread, and connections that nobody closed with it."""
        if not self._closed:
            self._closed = True
            self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(CONNECT_S)
        if not self._thread.is_alive():
            self._loop.close()

    def _stop(self) -> None:
        for connection in list(self._connections):
            connection.terminate()
        self._loop.call_soon(self._loop.stop)  # behind what the connections still have to do


class Cursor:
    """The rows of one statement. Those of a question inside a transaction come piece by piece."""

    def __init__(self, columns: Sequence[str], rows: Iterator[Row], rowcount: int) -> None:
        self.rowcount = rowcount
        self.description = tuple((name,) for name in columns) or None
        self._rows = rows

    def fetchone(self) -> Row | None:
        return next(self._rows, None)

    def fetchall(self) -> list[Row]:
        return list(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return self._rows


class PostgresDatabase:
    """Fulfils ``ensemble.store.database.Database``, and is its own ``conn``.

    A write transaction (``BEGIN IMMEDIATE``) holds the log's advisory lock to its end, so that, as in a file, no other
    writer gets between what it reads and what it writes, whichever machine it is on.
    """

    OperationalError = ServerFault

    def __init__(
        self, loop: Loop, connection: "asyncpg.Connection[Any]", schema: str, *, reader: bool, own: bool = False
    ) -> None:
        self._loop, self._connection, self._schema, self._reader, self._own = loop, connection, schema, reader, own
        self._prepared: dict[str, Any] = {}
        self._patience_s = STATEMENT_S

    @property
    def conn(self) -> "PostgresDatabase":
        return self

    @property
    def in_transaction(self) -> bool:
        return bool(self._connection.is_in_transaction())

    def execute(self, sql: str, parameters: Values | None = None) -> Cursor:
        if sql.startswith("BEGIN"):
            self._begin(alone=sql != "BEGIN")
            return Cursor((), iter(()), -1)
        statement = translate(sql)
        return self._loop.run(self._run(statement, statement.values(parameters or ())), self._patience_s)

    def executemany(self, sql: str, parameters: Iterable[Values]) -> Cursor:
        statement = translate(sql)
        rows = [statement.values(row) for row in parameters]
        count = self._loop.run(self._many(statement, rows), self._patience_s) if rows else 0
        return Cursor((), iter(()), count)

    def copy_rows(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Insert ``rows`` by COPY."""
        self._loop.run(
            self._connection.copy_records_to_table(
                table, columns=list(columns), records=rows, schema_name=self._schema, timeout=self._patience_s
            )
        )

    def query(self, sql: str, params: Values | None = None) -> Iterator[dict[str, Any]]:
        found = self.execute(sql, params)
        names = [column[0] for column in found.description or ()]
        return (dict(zip(names, row, strict=True)) for row in found)

    def script(self, sql: str) -> None:
        """Run several statements, written for PostgreSQL."""
        if sql:
            self._loop.run(self._connection.execute(sql, timeout=self._patience_s), self._patience_s)

    def be_patient(self) -> None:
        """Let statements of this connection take up to a day: upkeep reads or rewrites all of a log."""
        self._patience_s = UPKEEP_S
        self.script(f"SET statement_timeout = {_ms(UPKEEP_S - 1)}")

    def begin(self) -> None:
        self._begin(alone=False)

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        if self.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        try:
            self._loop.run(self._connection.close(timeout=CONNECT_S), CONNECT_S + 1)
        except ServerFault:
            self._loop.end(self._connection)
        finally:
            if self._own:
                self._loop.close()

    def table_names(self) -> list[str]:
        found = self.execute("SELECT tablename FROM pg_tables WHERE schemaname = ? ORDER BY 1", [self._schema])
        return [name for (name,) in found.fetchall()]

    def _begin(self, *, alone: bool) -> None:
        try:
            self.script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if self._reader else "BEGIN")
        except ServerFault as fault:
            if (fault.sqlstate or "").startswith(("08", "57P")):  # it went while nobody used it
                raise UndoneFault.at_once(fault) from fault
            raise
        if alone and not self._reader:
            self.execute("SELECT pg_advisory_xact_lock(?, hashtext(?))", [WRITERS, self._schema])

    async def _run(self, statement: Statement, values: Sequence[Any]) -> Cursor:
        if statement.count == 0 and statement.text.split(None, 1)[0].upper() in _BARE:
            done = await self._connection.execute(statement.text, timeout=self._patience_s)
            if done == "ROLLBACK" and statement.text.strip().upper() == "COMMIT":
                # So the server answers where a statement before had failed: nothing may be taken for kept.
                raise fault_of(asyncpg.InFailedSQLTransactionError("an earlier statement failed, all was undone"))
            return Cursor((), iter(()), -1)
        prepared = await self._prepare(statement.text, values)
        columns = [column.name for column in prepared.get_attributes()]
        hidden = None if statement.rowid or "rowid" not in columns else columns.index("rowid")
        if hidden is not None:  # as SQLite has it: there, and told to nobody who asks for everything
            columns.pop(hidden)
        if columns and self._reader and self.in_transaction:
            cursor = await prepared.cursor(*values, timeout=self._patience_s)
            first = await cursor.fetch(PAGE, timeout=self._patience_s)
            rest = self._pages(cursor) if len(first) == PAGE else iter(())
            return Cursor(columns, _rows(first, rest, hidden), -1)
        found = await prepared.fetch(*values, timeout=self._patience_s)
        return Cursor(columns, _rows(found, iter(()), hidden), _changed(prepared.get_statusmsg()))

    def _pages(self, cursor: Any) -> Iterator[list[Any]]:
        while page := self._loop.run(cursor.fetch(PAGE, timeout=self._patience_s), self._patience_s):
            yield page

    async def _many(self, statement: Statement, rows: list[Sequence[Any]]) -> int:
        if len(rows) >= _COPIED and (plain := _PLAIN.fullmatch(statement.text)):
            table, columns = plain[1], [name.strip() for name in plain[2].split(",")]
            await self._connection.copy_records_to_table(table, records=rows, columns=columns, timeout=self._patience_s)
            return len(rows)
        if statement.text.lstrip()[:6].upper() == "INSERT" and "ON CONFLICT" not in statement.text:
            await self._connection.executemany(statement.text, rows, timeout=self._patience_s)
            return len(rows)
        # All on their way at once; what comes back tells how many rows were changed.
        prepared = await self._prepare(f"{statement.text.rstrip().rstrip(';')} RETURNING 1", rows[0])
        return len(await prepared.fetchmany(rows, timeout=self._patience_s))

    async def _prepare(self, text: str, values: Sequence[Any]) -> Any:
        kept = self._prepared.pop(text, None)
        if kept is None:
            kept = await self._made(text, values)
            while len(self._prepared) >= _KEPT:
                del self._prepared[next(iter(self._prepared))]
        self._prepared[text] = kept
        return kept

    async def _made(self, text: str, values: Sequence[Any]) -> Any:
        if self.in_transaction:  # what fails inside a transaction ends it
            await self._connection.execute("SAVEPOINT prepared")
        try:
            made = await self._connection.prepare(text, timeout=self._patience_s)
        except (asyncpg.AmbiguousParameterError, asyncpg.IndeterminateDatatypeError) as error:
            # A parameter that is only asked whether it is NULL, say: then its value tells the type.
            found = _UNTYPED.search(str(error))
            if found is None:
                raise
            if self.in_transaction:
                await self._connection.execute("ROLLBACK TO prepared")
            typed = f"${found[1]}::{_type_of(values[int(found[1]) - 1])}"
            return await self._made(re.sub(rf"\${found[1]}(?!\d|::)", lambda _: typed, text, count=1), values)
        if self.in_transaction:
            await self._connection.execute("RELEASE prepared")
        return made


_COPIED = 50
"""Rows from which COPY is faster: by half at 64 requests in a batch, not at all at one."""
_PLAIN = re.compile(r"INSERT INTO (\w+) \(([\w, ]+)\) VALUES \((?:\$\d+(?:, )?)+\)")


def _type_of(value: object) -> str:
    return "bigint" if isinstance(value, int) else "double precision" if isinstance(value, float) else "text"


_UNTYPED = re.compile(r"parameter \$(\d+)")
_BARE = frozenset({"COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET", "ANALYZE", "VACUUM"})


def _rows(first: list[Any], rest: Iterator[list[Any]], hidden: int | None) -> Iterator[Row]:
    page: list[Any] | None = first
    while page:
        for record in page:
            row = tuple(record)
            yield row if hidden is None else (*row[:hidden], *islice(row, hidden + 1, None))
        page = next(rest, None)


def _changed(status: str) -> int:
    """Rows that a statement changed, of what the server says of it, such as ``INSERT 0 3``; -1 for none of those."""
    verb, _, count = status.rpartition(" ")
    return int(count) if count.isdigit() and verb.split(" ")[0] in ("INSERT", "UPDATE", "DELETE", "MERGE") else -1


def connected(loop: Loop, address: Address, *, busy_s: float, reader: bool, own: bool = False) -> PostgresDatabase:
    """A connection to the log at ``address``; with ``own`` it ends ``loop`` when it is closed. Raises ServerFault."""
    connection = loop.run(_connect(address, busy_s, reader=reader), CONNECT_S + 5)
    loop.keep(connection)
    return PostgresDatabase(loop, connection, address.schema, reader=reader, own=own)


async def _connect(address: Address, busy_s: float, *, reader: bool) -> "asyncpg.Connection[Any]":
    settings = {
        "search_path": f"{address.schema},pg_catalog",
        "application_name": "ensemble",
        "statement_timeout": _ms(STATEMENT_S - 1),
        "lock_timeout": _ms(busy_s),
        # A writer that hangs must not keep all others waiting for ever.
        "idle_in_transaction_session_timeout": "0" if reader else _ms(STATEMENT_S),
        # Nor one whose machine has gone without a word.
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "synchronous_commit": "on",
        "jit": "off",
        # What is asked for is a few rows out of many, on a disk that does not turn.
        "random_page_cost": "1.1",
        "default_transaction_read_only": "on" if reader else "off",
    }
    try:
        connection = await asyncpg.connect(address.dsn, timeout=CONNECT_S, server_settings=settings)
    except ValueError as error:  # of the address itself
        raise ServerFault(f"the address is none that can be used: {error}", "08001") from None
    # Numbers and truth values come back as SQLite gives them.
    for name, decode in (("numeric", _number), ("bool", _truth)):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=str, decoder=decode, format="text")
    return cast("asyncpg.Connection[Any]", connection)


def _ms(seconds: float) -> str:
    return str(max(1, int(seconds * 1000)))


def _number(text: str) -> int | float:
    return float(text) if "." in text or "n" in text.lower() else int(text)


def _truth(text: str) -> int:
    return int(text == "t")
