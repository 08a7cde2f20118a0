"""A log that nobody serves, read by a thread of its own."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from sqlite_utils import Database

from ensemble.errors import StoreError
from ensemble.store.audit.shadow import Shadow
from ensemble.store.faults import explain
from ensemble.store.sqlite import open_reader

R = TypeVar("R")


class LogReader:
    """Answers questions about the log at a path, one at a time, on one connection that cannot write to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ensemble-log-reader")
        self._db: Database | None = None
        self._facts: Shadow | None = None

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
            self._db = open_reader(self._path)
            self._facts = Shadow(self._db)
        try:
            self._facts.refresh()
            self._db.begin()
            try:
                return question(self._db)
            finally:
                self._db.rollback()
        except sqlite3.Error as error:
            raise StoreError(explain(error, self._path)) from error


@asynccontextmanager
async def open_log(path: Path) -> AsyncIterator[LogReader]:
    """The log at ``path``, for reading.

    Raises:
        StoreError: there is none, or it is of another version.
    """
    log = LogReader(path)
    try:
        await log.read(lambda db: None)
        yield log
    finally:
        await log.close()
