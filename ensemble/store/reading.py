"""A log that nobody serves, read by a thread of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from ensemble.store.address import Where, address_of
from ensemble.store.audit.filler import Filler
from ensemble.store.audit.shadow import Shadow
from ensemble.store.database import Database, is_sqlite
from ensemble.store.opening import explained, open_reader

R = TypeVar("R")


class LogReader:
    """Answers questions about the log at an address, one at a time, on one connection that cannot write to it."""

    def __init__(self, where: Where) -> None:
        self._address = address_of(where)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ensemble-log-reader")
        self._db: Database | None = None
        self._facts: Shadow | Filler | None = None

    async def read(self, question: Callable[[Database], R]) -> R:
        """Answer ``question`` from one snapshot. Raises StoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._ask, question)

    async def close(self) -> None:
        """Finish the question under way, then close the connection."""
        await asyncio.to_thread(self._pool.shutdown)
        if self._db is not None:
            self._db.close()

    def _ask(self, question: Callable[[Database], R]) -> R:
        if self._db is None or self._facts is None:
            self._db = open_reader(self._address)
            self._facts = Shadow(self._db) if is_sqlite(self._db) else Filler(self._db, self._address)
        with explained(self._address):
            self._facts.refresh()
            self._db.begin()
            try:
                return question(self._db)
            finally:
                self._db.rollback()


@asynccontextmanager
async def open_log(where: Where) -> AsyncIterator[LogReader]:
    """The log at ``where``, for reading.

    Raises:
        StoreError: there is none, or it is of another version.
    """
    log = LogReader(where)
    try:
        await log.read(lambda db: None)
        yield log
    finally:
        await log.close()
