"""A log whose every record is counted as it is written."""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TypeVar

from ensemble.errors import StoreError
from ensemble.money import Total
from ensemble.observing.instruments import Instruments
from ensemble.store import People, Store
from ensemble.store.database import Database
from ensemble.types import Label, Late, Record, RequestId

R = TypeVar("R")


class ObservedStore:
    """``store``, with ``instruments`` told of all that it takes. The engine behind it need not know."""

    def __init__(self, store: Store, instruments: Instruments) -> None:
        self._store, self._instruments = store, instruments

    async def record(self, record: Record) -> None:
        await self._timed(self._store.record, record)
        if record.status != "streaming":  # it is counted when it ends
            self._instruments.recorded(record)

    async def record_late(self, late: Late) -> None:
        await self._timed(self._store.record_late, late)
        self._instruments.came_late(late)

    async def _timed(self, write: Callable[[R], Awaitable[None]], what: R) -> None:
        begin = time.perf_counter()
        try:
            await write(what)
        except StoreError:
            self._instruments.commit_failures.inc()
            raise
        self._instruments.commit.observe(time.perf_counter() - begin)

    async def request(self, id_: RequestId) -> Mapping[str, object] | None:
        return await self._store.request(id_)

    async def counts(self) -> Mapping[str, int]:
        return await self._store.counts()

    async def ledger_total(self) -> Total:
        return await self._store.ledger_total()

    def labels(self, *, complete: bool = True, people: People = "ignore") -> Iterator[Label]:
        return self._store.labels(complete=complete, people=people)

    async def read(self, question: Callable[[Database], R]) -> R:
        return await self._store.read(question)

    async def change(self, change: Callable[[Database], R]) -> R:
        return await self._store.change(change)

    async def ping(self) -> None:
        await self._store.ping()

    async def settle(self) -> None:
        await self._store.settle()

    async def close(self) -> None:
        await self._store.close()
