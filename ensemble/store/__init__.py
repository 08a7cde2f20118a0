"""Everything that was asked, answered and judged: the log, and the promise that an answer is in it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from ensemble.money import Total
from ensemble.store.address import Where
from ensemble.store.database import Database
from ensemble.store.describe import Column, Table, describe
from ensemble.store.label_rows import People
from ensemble.store.logstore import LogStore
from ensemble.store.opening import engine_of, open_reader
from ensemble.types import Label, Late, Record, RequestId

__all__ = ["Column", "People", "Store", "Table", "describe", "open_as_it_is", "open_store"]


R = TypeVar("R")


class Store(Protocol):
    """A log, whatever engine keeps it. Every method raises StoreError when the log cannot be read or written."""

    async def record(self, record: Record) -> None:
        """Write everything about one request, or nothing of it.

        When this returns, the rows survive the death of the process. Cancelled meanwhile, they may be written all the
        same. Waits while too many rows are under way.
        """
        ...

    async def record_late(self, late: Late) -> None:
        """Write what came after the answer of a stored request, with the same promise."""
        ...

    async def request(self, id_: RequestId) -> Mapping[str, object] | None:
        """Everything about one request, or None where it is not known.

        A tree of JSON values: the row of ``requests``, with ``cost`` (the known ``nano_usd``, and the number of calls
        that are ``unpriced``), ``plan``, ``calls``, ``candidates`` and ``verdicts``, whose ``scores``, ``preferences``,
        ``exchanges`` and ``ballots`` hang below them. Texts are as they came, lone surrogates included: models wrote
        them, so escape them for display, and write them out with an encoder that takes surrogates.
        """
        ...

    async def counts(self) -> Mapping[str, int]:
        """Rows per table."""
        ...

    async def ledger_total(self) -> Total:
        """Cost of every call there is, judges and failures included."""
        ...

    def labels(self, *, complete: bool = True, people: People = "ignore") -> Iterator[Label]:
        """Training examples in order of arrival, read in one snapshot, one at a time.

        ``complete=False`` adds those for which not every member of the plan was judged. With ``people="first"`` what
        people said of a request goes before what a judge found. Blocks: call it from a worker thread. Exhaust or close
        it, since an open snapshot keeps the file from being tidied up.
        """
        ...

    async def read(self, question: Callable[[Database], R]) -> R:
        """Answer ``question``, a function of this package, from one snapshot, in a worker thread."""
        ...

    async def change(self, change: Callable[[Database], R]) -> R:
        """Run ``change``, a function of this package, in a transaction; when this returns, it is durable.

        It runs in the writer's thread behind a savepoint of its own, so it must be quick. Whatever it raises as
        StoreError undoes it, and comes out as it is.
        """
        ...

    async def ping(self) -> None:
        """Prove by a small durable write that records can be kept; StoreError says why not."""
        ...

    async def settle(self) -> None:
        """Take in what was spilled while the log could not be written, if it can be written now."""
        ...

    async def close(self) -> None:
        """Write what is under way, then close; nothing can be recorded afterwards."""
        ...


async def open_store(where: Where, *, busy_s: float = 5.0, spill: Path | None = None) -> Store:
    """Open the log at ``where``, a path or an URL such as ``sqlite:///ensemble.db``, and bring its schema up to date.

    A file that is not there is made, readable by its owner alone; before the schema of an older one is changed, it is
    copied to ``FILE.schema-N``. ``busy_s`` is how long to wait for a lock that another process holds.
    With ``spill``, records go to that file while the log cannot be written, and are taken in when it can be again.

    Raises:
        StoreError: no such engine, no right to the file, the file is damaged, belongs to another program or was written
            by a newer version of this one.
    """
    return await LogStore.open(engine_of(where, busy_s=busy_s), spill=spill)


async def open_as_it_is(where: Where) -> Store:
    """Open the log at ``where`` to look at it: it is neither made nor brought up to date.

    Raises:
        StoreError: there is none, or it was written by another version of this program; the sentence says what to do.
    """
    await asyncio.to_thread(lambda: open_reader(where).close())
    return LogStore(engine_of(where))
