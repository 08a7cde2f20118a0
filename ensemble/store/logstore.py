"""The log of a service: one writer that shares transactions, a few readers, whichever engine keeps it."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from ensemble.errors import StoreError
from ensemble.money import Total
from ensemble.store import queries
from ensemble.store.database import Database
from ensemble.store.engine import Engine
from ensemble.store.faults import FAULTS, UndoneFault, explain
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


class LogStore:
    """A ``Store`` on ``engine``. Open it with ``open_store``, on the event loop that will use it."""

    def __init__(self, engine: Engine, *, spill: Path | None = None) -> None:
        self._engine = engine
        self._writer = Writer(engine)
        self._overflow = Overflow(Spill(spill), self._writer) if spill else None
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="ensemble-store-reader")
        self._local = threading.local()
        self._readers: list[Database] = []
        self._closed = False

    @classmethod
    async def open(cls, engine: Engine, *, spill: Path | None = None) -> Self:
        """Open or create the log and bring its schema up to date. Raises StoreError as ``open_store`` does."""
        await asyncio.to_thread(engine.prepare)
        store = cls(engine, spill=spill)
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
        db = self._engine.connect(reader=True)
        try:
            db.begin()
            yield from queries.labels(db, complete=complete, people=people)
        except FAULTS as error:
            raise StoreError(explain(error, self._engine.address)) from error
        finally:
            db.close()

    async def ping(self) -> None:
        try:
            await self._writer.write(None)
            await asyncio.to_thread(self._engine.room)
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
            await asyncio.to_thread(self._engine.close)

    async def change(self, change: Callable[[Database], R]) -> R:
        return await self._writer.change(change)

    async def read(self, question: Callable[[Database], R]) -> R:
        if self._closed:
            raise StoreError(f"{self._engine.address}: the log has been closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._ask, question)

    def _ask(self, question: Callable[[Database], R]) -> R:
        try:
            try:
                return self._answer(question)
            except UndoneFault:
                return self._answer(question)
        except (*FAULTS, OSError) as error:
            raise StoreError(explain(error, self._engine.address)) from error

    def _answer(self, question: Callable[[Database], R]) -> R:
        """Answer ``question`` from one snapshot, on this thread's own connection."""
        db: Database | None = getattr(self._local, "db", None)
        sound = False
        try:
            file = self._engine.identity()
            if db is None or file != self._local.file:
                db, self._local.file = self._engine.connect(reader=True), file
                self._readers.append(db)
                self._local.db = db
            db.begin()
            answer = question(db)
            db.rollback()
            sound = True
        finally:
            # A connection that met a fault is not used again: the cause may be mended by the next question.
            if db is not None and not sound:
                self._local.db = None
                self._readers.remove(db)
                db.close()
        return answer
