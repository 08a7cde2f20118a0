"""The one writer: a thread that puts whatever has queued up into one durable transaction.

There is no linger: while one transaction is on its way to the disk the next batch gathers by itself, so a lone request
waits for one commit and many concurrent ones share it.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from queue import Empty, SimpleQueue
from typing import TypeVar, cast

from ensemble.errors import StoreError
from ensemble.store import queries
from ensemble.store.daily import daily_calls, daily_requests
from ensemble.store.database import Database
from ensemble.store.engine import Engine
from ensemble.store.faults import FAULTS, ROW_FAULTS, Refused, UndoneFault, explain
from ensemble.store.queueing import queue_reviews
from ensemble.store.rows import COLUMNS, Row, Rows
from ensemble.store.texts import KEPT, strip

CLOSE_S = 60.0
"""Most seconds that closing waits for the rows still queued."""
PACK = 8
"""Rows of one statement, where there are as many: during each the writer has given up the interpreter, and on a busy
loop it waits to get it back. Statements of more rows gain little and fit fewer batches."""
_TOLD_APART = {"calls": COLUMNS["calls"].index("seat"), "verdicts": COLUMNS["verdicts"].index("parent")}
"""Candidates' calls lack what judges' have, and ballots what verdicts have: this column says which a row is."""


def _insert(table: str, columns: Iterable[str], rows: int = 1) -> str:
    names = tuple(columns)
    marks = ", ".join([f"({', '.join('?' * len(names))})"] * rows)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES {marks}"  # noqa: S608 - own names


def _add(table: str, keys: Sequence[str], sums: Sequence[str]) -> str:
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    return f"{_insert(table, (*keys, *sums))} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"


_ENDED = (
    f"{_insert('requests', COLUMNS['requests'])} ON CONFLICT (id) DO UPDATE SET "
    f"{', '.join(f'{name} = excluded.{name}' for name in COLUMNS['requests'])} WHERE requests.status = 'streaming'"
)
"""In the place of the row that said that the request is being streamed."""
_DAILY_REQUESTS = _add(
    "daily_requests",
    ("day", "router"),
    ("requests", "answered", "failed", "cancelled", "fallbacks", "overturned", "answered_s"),
)
_DAILY_CALLS = _add(
    "daily_calls", ("day", "router", "member", "purpose"), ("calls", "failures", "nano_usd", "unpriced")
)


Change = Callable[[Database], object]
"""Anything else that writes; it runs in the writer's thread, behind a savepoint of its own, and must be quick."""
R = TypeVar("R")


@dataclass(slots=True)
class _Job:
    """What to write and who waits for it; None is a mere proof that writing works."""

    work: Rows | Change | None
    done: asyncio.Future[object]
    result: object = None


_Told = list[tuple[_Job, Exception | None]]


class Writer:
    """Owns the only connection that writes. Made and used on one event loop.

    ``room`` bounds the rows under way: who would add more waits, so a slow disk slows the clients down and not the
    memory up. A connection is opened anew after every fault of the engine, so that the writer recovers by itself when
    the cause is gone.
    """

    def __init__(self, engine: Engine, *, room: int = 1024) -> None:
        self._engine, self._address = engine, engine.address
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(room)
        self._queue: SimpleQueue[list[_Job] | None] = SimpleQueue()
        self._gathered: list[_Job] = []
        self._closed = False
        self._db: Database | None = None
        self._file: object = None
        self._thread = threading.Thread(target=self._run, name="ensemble-store-writer", daemon=True)
        self._thread.start()

    async def write(self, rows: Rows | None) -> None:
        """Write ``rows``; return when they survive the death of the process. None writes nothing but proves it works.

        Cancelled while it waits for room, nothing is written; cancelled later, the rows are written all the same.

        Raises:
            StoreError: nothing of ``rows`` was written.
        """
        await self._put(rows)

    async def change(self, change: Callable[[Database], R]) -> R:
        """Run ``change`` in the next transaction; return what it returned once that survives the death of the process.

        Raises:
            StoreError: nothing of it was written. A StoreError of ``change`` itself comes out as it is.
        """
        return cast("R", await self._put(change))

    async def _put(self, work: Rows | Change | None) -> object:
        await self._room.acquire()
        if self._closed or not self._thread.is_alive():
            self._room.release()
            raise StoreError(f"{self._address}: the log has been closed")
        done: asyncio.Future[object] = self._loop.create_future()
        self._gathered.append(_Job(work, done))
        if len(self._gathered) == 1:
            # Handed over at the end of this turn of the loop, together with what the other tasks of the turn bring: the
            # thread then wakes once, and does not fight them for the interpreter while they prepare their rows.
            self._loop.call_soon(self._hand_over)
        return await done

    async def close(self) -> None:
        """Write what is queued and close the file.

        Raises:
            StoreError: the disk did not take it within a minute.
        """
        if not self._closed:
            self._closed = True
            self._hand_over()
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join, CLOSE_S)
        if self._thread.is_alive():
            raise StoreError(
                f"{self._address}: the disk has not taken the last rows for {CLOSE_S:.0f} s; they may be lost"
            )
        # The last answers of the thread are on their way to this loop: let them arrive before anyone stops it.
        await asyncio.sleep(0)

    def _hand_over(self) -> None:
        self._queue.put(self._gathered)
        self._gathered = []

    def _run(self) -> None:
        batch: list[_Job] = []
        try:
            while True:
                batch, last = self._take()
                if batch:
                    self._tell(self._commit(batch))
                batch = []
                if last:
                    return
        finally:
            # Only a bug of ours leads here with jobs in hand; nobody may wait for ever because of it.
            self._tell([(job, StoreError(f"{self._address}: the writer of the log has stopped")) for job in batch])
            self._drop()

    def _take(self) -> tuple[list[_Job], bool]:
        """Everything that is queued; and whether that is the end."""
        batch: list[_Job] = []
        jobs = self._queue.get()
        while jobs is not None:
            batch += jobs
            try:
                jobs = self._queue.get_nowait()
            except Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[_Job], *, first: bool = True) -> _Told:
        try:
            with self._engine.turn():
                return self._attempt(self._open(), batch)
        except (*FAULTS, OSError) as fault:
            why = fault
            # The connection goes, and its open transaction with it; the next batch tries a new one.
            self._drop()
            again = [job for job in batch if first and isinstance(fault, UndoneFault) and _can_be_again(job, fault)]
            lost = [job for job in batch if job not in again]
        told: _Told = [(job, StoreError(explain(why, self._address))) for job in lost]
        return told + (self._commit(again, first=False) if again else [])

    def _attempt(self, db: Database, batch: list[_Job]) -> _Told:
        if any(callable(job.work) for job in batch):
            return self._one_by_one(db, batch)
        execute = db.conn.execute
        execute("BEGIN IMMEDIATE")
        try:
            self._write(db, [job.work for job in batch if isinstance(job.work, Rows)])
            execute("COMMIT")
        except ROW_FAULTS as fault:
            execute("ROLLBACK")
            if len(batch) > 1:
                return self._one_by_one(db, batch)
            return [(batch[0], _refused(fault))]
        return [(job, None) for job in batch]

    def _one_by_one(self, db: Database, batch: list[_Job]) -> _Told:
        """Each job behind a savepoint of its own, in one transaction: one bad row fails nobody else's."""
        execute, told = db.conn.execute, _Told()
        execute("BEGIN IMMEDIATE")
        for job in batch:
            execute("SAVEPOINT job")
            try:
                if callable(job.work):
                    job.result = job.work(db)
                else:
                    self._write(db, [job.work] if job.work is not None else [])
                told.append((job, None))
            except (StoreError, *ROW_FAULTS) as fault:
                execute("ROLLBACK TO job")
                told.append((job, fault if isinstance(fault, StoreError) else _refused(fault)))
            except (*FAULTS, OSError):
                raise
            except Exception as bug:  # noqa: BLE001 - of this change: whoever asked for it gets it, nobody else
                execute("ROLLBACK TO job")
                told.append((job, bug))
            execute("RELEASE job")
        execute("COMMIT")
        return told

    def _write(self, db: Database, rows: list[Rows]) -> None:
        if rows:
            write_rows(db, rows)
        else:
            self._engine.prove(db)

    def _open(self) -> Database:
        file = self._engine.identity()
        if self._db is not None and file != self._file:
            self._drop()
        if self._db is None:
            self._db, self._file = self._engine.connect(), file
        return self._db

    def _drop(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _tell(self, told: _Told) -> None:
        if not told:
            return
        try:
            self._loop.call_soon_threadsafe(self._settle, told)
        except RuntimeError:
            # The loop has ended without closing the log: nobody waits any more.
            return

    def _settle(self, told: _Told) -> None:
        for job, error in told:
            self._room.release()
            if job.done.done():
                continue
            if error is None:
                job.done.set_result(job.result)
            else:
                job.done.set_exception(error)


def _can_be_again(job: _Job, fault: UndoneFault) -> bool:
    """Rows can. A change that has run may have counted on what was undone: whoever wants it asks again."""
    return not fault.begun or not callable(job.work)


def _refused(fault: Exception) -> Refused:
    return Refused(f"the row was refused: {fault}")


def write_rows(db: Database, batch: list[Rows]) -> None:
    """Write ``batch`` inside the open transaction."""
    many = db.conn.executemany
    for late in batch:
        if late.router is None:
            late.router, late.day, content = queries.place(db, late.request)
            if content not in KEPT:
                strip(late)
    if ended := [row for rows in batch if rows.begun for row in rows.tables["requests"]]:
        many(_ENDED, ended)
    for table in COLUMNS:
        rows: list[Row] = [
            row for rows in batch if not (rows.begun and table == "requests") for row in rows.tables[table]
        ]
        for alike in _alike(table, rows):
            _put(db, table, alike)
    if settled := [(id_,) for rows in batch for id_ in rows.settled]:
        many("DELETE FROM reservations WHERE id = ?", settled)
    queue_reviews(db, [rows for rows in batch if rows.review is not None])
    many(_DAILY_REQUESTS, daily_requests(batch))
    many(_DAILY_CALLS, daily_calls(batch))


def _alike(table: str, rows: list[Row]) -> Iterable[list[Row]]:
    """``rows`` in parts, none of them empty, of which each lacks the same columns."""
    at = _TOLD_APART.get(table)
    if at is None:
        return [rows] if rows else []
    # Those without first: what they are the parents of comes behind them.
    parts = [row for row in rows if row[at] is None], [row for row in rows if row[at] is not None]
    return filter(None, parts)


def _put(db: Database, table: str, rows: Sequence[Row]) -> None:
    """Insert ``rows`` without the columns in which none of them has anything.

    That is half of what a call has room for, and to bind a None costs more than to bind a text.
    """
    nothing = (
        [at for at, one in enumerate(rows[0]) if one is None]
        if len(rows) == 1
        else [at for at, one in enumerate(zip(*rows, strict=True)) if one[0] is None and one.count(None) == len(rows)]
    )
    told, one, pack = _inserting(table, tuple(nothing))
    left = list(map(told, rows))
    if packs := len(left) // PACK:
        ends = range(PACK, packs * PACK + 1, PACK)
        db.conn.executemany(pack, [tuple(chain.from_iterable(left[end - PACK : end])) for end in ends])
        left = left[packs * PACK :]
    if left:
        db.conn.executemany(one, left)


@lru_cache(maxsize=256)
def _inserting(table: str, nothing: tuple[int, ...]) -> tuple[Callable[[Row], Row], str, str]:
    """What takes all but the columns ``nothing`` of a row, and statements that insert that of one row and of a pack."""
    told = [at for at in range(len(COLUMNS[table])) if at not in nothing]
    names = [COLUMNS[table][at] for at in told]
    return itemgetter(*told), _insert(table, names), _insert(table, names, PACK)
