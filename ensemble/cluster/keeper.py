"""The one process of a cluster that has the log open, and the log as the labellers see it: through that process.

So the log may be a file, everything that an ordinary run finds in it (stored calls, verdicts, what is set aside under
the cap) is found here too, and a call is durable before the labeller that made it goes on.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ensemble.errors import StoreError
from ensemble.labelling.rejects import Rejects
from ensemble.labelling.rows import Reject
from ensemble.labelling.tally import Tally
from ensemble.labelling.till import LogTill
from ensemble.money import Total
from ensemble.store import People, Store, open_store
from ensemble.store.database import Database
from ensemble.types import Label, Late, Record, RequestId

R = TypeVar("R")
ROOM_S = 60.0
"""Seconds without any news of money after which that of a labeller which died is not waited for any more."""


@dataclass(frozen=True, slots=True)
class End:
    """Why nothing new is taken up: ``kind`` is the name of an exception of ``cashier``, or ``failed``."""

    kind: str
    why: str


@dataclass(slots=True)
class Keeper:
    """Keeps log, claims, rejects and counts of one invocation of ``run``; an actor, so one thread calls its methods."""

    log: str = field(repr=False)  # Ray writes what an actor looks like to its logs, and this may hold a password
    spill: Path | None
    rejects: Path
    run: str
    _store: Store | None = None
    _till: LogTill | None = None
    _tally: Tally = field(default_factory=Tally)
    _end: End | None = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _owners: dict[str, int] = field(default_factory=dict)
    _freed: asyncio.Event = field(default_factory=asyncio.Event)
    _aside: set[str] = field(default_factory=set)
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _stack: ExitStack = field(default_factory=ExitStack)
    _file: Rejects | None = None

    async def open(self) -> None:
        """Open the log and the file of rejects. Raises StoreError and InvalidRequest."""
        self._file = self._stack.enter_context(Rejects(self.rejects))
        self._store = await open_store(self.log, spill=self.spill)
        self._till = LogTill(self._store, self.run)

    async def close(self) -> None:
        """Write what is under way; nothing can be kept afterwards."""
        self._stack.close()
        if self._store is not None:
            await self._store.close()

    @property
    def _log(self) -> Store:
        if self._store is None:
            raise StoreError("the keeper of the log has not opened it")
        return self._store

    async def record(self, record: Record) -> None:
        """As ``Store.record``."""
        await self._log.record(record)

    async def record_late(self, late: Late) -> None:
        """As ``Store.record_late``."""
        await self._log.record_late(late)
        if self._aside.intersection(late.settled):
            self._aside.difference_update(late.settled)
            self._tell_room()

    async def read(self, question: Callable[[Database], Any]) -> Any:
        """As ``Store.read``."""
        return await self._log.read(question)

    async def change(self, change: Callable[[Database], Any]) -> Any:
        """As ``Store.change``."""
        return await self._log.change(change)

    async def reserve(self, id_: str, nano_usd: int, cap: int) -> bool:
        """As ``Till.reserve``; waits for room while calls are under way, some of whose money may come back."""
        while self._end is None:
            room = self._room
            if await self._money.reserve(id_, nano_usd, cap):
                self._aside.add(id_)
                return True
            if not self._aside and room is self._room:  # else some came back while the log said no
                return False
            try:
                async with asyncio.timeout(ROOM_S):
                    await room.wait()
            except TimeoutError:
                return False
        return False

    def _tell_room(self) -> None:
        self._room.set()
        self._room = asyncio.Event()

    async def spent(self) -> int:
        """As ``Till.spent``."""
        return await self._money.spent()

    @property
    def _money(self) -> LogTill:
        if self._till is None:
            raise StoreError("the keeper of the log has not opened it")
        return self._till

    async def claim(self, owner: int, prompts: Sequence[str]) -> set[str]:
        """Those of ``prompts``, hashes, that nobody else has under way; waits until there are any.

        The same prompt in two batches is so asked once: whoever comes second finds it in the log. ``owner`` is the
        batch, so that one that is begun again after its labeller died has what it had.
        """
        while True:
            free = {one for one in prompts if self._owners.get(one, owner) == owner}
            if free or not prompts:
                self._owners |= dict.fromkeys(free, owner)
                return free
            freed = self._freed
            await freed.wait()

    async def release(self, owner: int) -> None:
        """Give up all claims of ``owner``."""
        self._owners = {one: by for one, by in self._owners.items() if by != owner}
        self._freed.set()
        self._freed = asyncio.Event()

    async def rejected(self, rejects: Sequence[Reject]) -> None:
        """Write rows that could not be used, and count them."""
        for one in rejects:
            if self._file is not None:
                self._file.add(one)
            self._tally.reject(one.reason)
        self._tally.rows += len(rejects)

    async def count(self, tally: Tally) -> None:
        """Add what a labeller has come to."""
        self._tally.add(tally)

    async def tally(self) -> Tally:
        """What the run has come to so far."""
        return self._tally

    async def end(self, end: End) -> None:
        """Let nothing new be taken up; the first reason counts."""
        self._end = self._end or end
        self._ended.set()
        self._tell_room()

    async def ended(self) -> End | None:
        """Why nothing new is taken up, None while it is."""
        return self._end

    async def until_end(self) -> End:
        """Wait for the end, and say why it came."""
        await self._ended.wait()
        return self._end or End("Stopped", "interrupted")


class KeptStore:
    """The log behind ``keeper``, an actor's handle. Questions and changes travel: they must be picklable."""

    def __init__(self, keeper: Any) -> None:
        self._keeper = keeper

    async def record(self, record: Record) -> None:
        await self._ask("record", record)

    async def record_late(self, late: Late) -> None:
        await self._ask("record_late", late)

    async def read(self, question: Callable[[Database], R]) -> R:
        found: R = await self._ask("read", question)
        return found

    async def change(self, change: Callable[[Database], R]) -> R:
        found: R = await self._ask("change", change)
        return found

    async def request(self, id_: RequestId) -> Mapping[str, object] | None:
        raise NotImplementedError("labellers have no use for it")

    async def counts(self) -> Mapping[str, int]:
        raise NotImplementedError("labellers have no use for it")

    async def ledger_total(self) -> Total:
        raise NotImplementedError("labellers have no use for it")

    def labels(self, *, complete: bool = True, people: People = "ignore") -> Iterator[Label]:
        raise NotImplementedError("labellers have no use for it")

    async def ping(self) -> None:
        await self._ask("spent")

    async def settle(self) -> None:
        """Nothing: the keeper's store does that."""

    async def close(self) -> None:
        """Nothing: the keeper closes it."""

    async def _ask(self, what: str, *given: object) -> Any:
        return await asked(self._keeper, what, *given)


class KeptTill:
    """The money of the run, counted by ``keeper``."""

    def __init__(self, keeper: Any) -> None:
        self._keeper = keeper

    async def reserve(self, id_: str, nano_usd: int, cap: int) -> bool:
        return bool(await asked(self._keeper, "reserve", id_, nano_usd, cap))

    async def spent(self) -> int:
        return int(await asked(self._keeper, "spent"))


async def asked(keeper: Any, what: str, *given: object) -> Any:
    """What ``keeper`` says. Raises StoreError where it is gone, and what it raises as it is."""
    from ray.exceptions import RayError, RayTaskError

    try:
        return await getattr(keeper, what).remote(*given)
    except RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except RayError as error:
        raise StoreError(f"the keeper of the log is gone: {type(error).__name__}") from error
