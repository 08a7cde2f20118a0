"""Questions that wait for one another and are handed over together, at the providers' batch prices.

What a wave answers makes the next one: the candidates of all prompts, then the judges' first questions, and so on.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from uuid_utils import uuid7

from ensemble.batch import BatchConnection
from ensemble.errors import CallFailed, StoreError
from ensemble.fleet import Fleet, Member, Seen
from ensemble.labelling.asking import Question
from ensemble.labelling.carrying import Came, Carrier, Pace
from ensemble.labelling.cashier import Stopped
from ensemble.labelling.items import item_of, line_of, unsent
from ensemble.labelling.tally import Tally
from ensemble.store import Store
from ensemble.store.batches import BatchItem, OpenBatch, open_batches, settle
from ensemble.types import Call, CallId, Late
from judges.types import Prompt

PATIENCE_S = 30 * 24 * 3600.0
_TURN = 64  # items that are written out before other tasks get their turn

Arrived = tuple[Call, CallFailed | None]
Load = tuple[OpenBatch, BatchConnection, list[bytes]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A call that is to be part of the next wave."""

    item: BatchItem
    member: Member
    prompt: Prompt
    arrived: "asyncio.Future[Arrived]"


class Waves:
    """Asks in batches on behalf of the run called ``run``; with ``cancel``, those of earlier processes are cancelled.

    Attributes:
        stopped: what ended the work before its time, where no question could be told of it.
    """

    batch = True
    patience_s = PATIENCE_S

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        run: str,
        tally: Tally,
        pace: Pace | None = None,
        *,
        cancel: bool = False,
    ) -> None:
        self._store, self._fleet, self._run, self._tally = store, fleet, run, tally
        self._pace = pace or Pace()
        self._gathered: list[_Waiting] = []
        self._asked = 0
        self._stir = asyncio.Event()
        self._waiting: dict[CallId, _Waiting] = {}
        self._left: set[str | None] = set()
        self._late: list[tuple[BatchItem, Call]] = []
        self._closed = asyncio.Event()
        self._why: Exception | None = None
        self._carrier = Carrier(store, tally, self._pace, self._closed, self._deliver, cancel=cancel)
        self.stopped: Exception | None = None

    async def ask(self, question: Question, seen: Seen) -> Call:
        """As ``Asker.ask``: waits for the wave; what expired or failed for a while goes into the next one."""
        member, attempt = question.member, 0
        ready, removed = member.prepare(question.prompt, question.aim.purpose)
        try:
            dropped = (*unsent(question, ready), *removed)
        except CallFailed as failed:
            call = line_of(item_of(question, 0), member, self._run, failed)
            seen(call)
            return call
        while True:
            attempt += 1
            item = item_of(question, attempt, dropped)
            call, error = await self._next_wave(item, member, ready)
            seen(call)
            if error is None or not error.retryable or attempt >= member.settings.max_attempts:
                return call

    def holds(self, id_: str) -> bool:
        """As ``Asker.holds``: it is in a batch that has left and was not taken in."""
        return id_ in self._left

    def close(self, why: Exception) -> None:
        """As ``Asker.close``: batches go on at the providers."""
        if self._why is None:
            self._why = why
            self._closed.set()
            self._stir.set()
            for waiting in self._waiting.values():
                if not waiting.arrived.done():
                    waiting.arrived.set_exception(why)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """As ``Asker.running``. First takes in what earlier processes handed over: nothing is asked for twice."""
        async with asyncio.TaskGroup() as group:
            await self._guarded(self._resume())
            work = group.create_task(self._guarded(self._work()))
            try:
                yield
            finally:
                self.close(Stopped("the run is over"))
                await work
                await self._guarded(self._take_in())

    async def _next_wave(self, item: BatchItem, member: Member, prompt: Prompt) -> Arrived:
        if self._why is not None:
            raise self._why
        waiting = _Waiting(item, member, prompt, asyncio.get_running_loop().create_future())
        self._waiting[item.call] = waiting
        self._gathered.append(waiting)
        self._asked += 1
        self._stir.set()
        try:
            return await waiting.arrived
        finally:
            self._waiting.pop(item.call, None)

    async def _resume(self) -> None:
        left = await self._store.read(partial(open_batches, run=self._run))
        open_at = {str(member.settings.provider): member.connection for member in self._fleet.values()}
        async with asyncio.TaskGroup() as group:
            for batch in left:
                connection = open_at.get(batch.provider)
                if not isinstance(connection, BatchConnection):
                    told = f"a batch of this run is at work at {batch.provider!r}, which no member is of any more"
                    raise Stopped(f"{told}; configure it again, or label under another --name")
                group.create_task(self._carrier.resume(batch, connection))
        await self._take_in()

    async def _take_in(self) -> None:
        """Write down what came for nobody who waits, and close the batches of which all is written down."""
        while self._late:
            item, call = self._late[0]
            authors = {item.candidate: item.member} if item.candidate else {}
            known = call.usage.nano_usd is not None
            settled = (item.reservation,) if item.reservation and known else ()
            await self._store.record_late(Late(request=item.request, calls=(call,), authors=authors, settled=settled))
            self._tally.called(call)
            del self._late[0]
        await self._store.change(partial(settle, run=self._run))

    async def _work(self) -> None:
        while await self._quiet():
            wave, self._gathered = self._gathered, []
            self._stir.clear()
            async with asyncio.TaskGroup() as group:
                for load in await self._loads(wave):
                    group.create_task(self._carrier.send(*load))
            await self._store.change(partial(settle, run=self._run))

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        """Do ``work``; what stops it stops the run."""
        try:
            await work
        except* (Stopped, StoreError) as several:
            first: BaseException = several
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            if isinstance(first, Exception):
                self.stopped = self.stopped or first
                self.close(first)

    async def _quiet(self) -> bool:
        """Wait until questions have come and no further one does; False where the run was closed."""
        clock = asyncio.get_running_loop().time
        await self._stir.wait()
        begin, before = clock(), -1
        while not self._closed.is_set() and before != self._asked and clock() - begin < self._pace.gather_s:
            before = self._asked
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.quiet_s):
                    await self._closed.wait()
        return not self._closed.is_set()

    async def _loads(self, wave: Sequence[_Waiting]) -> list[Load]:
        """``wave`` cut into batches, as the providers want them."""
        groups: dict[tuple[str, str | None], list[_Waiting]] = {}
        for waiting in wave:
            settings, connection = waiting.member.settings, waiting.member.connection
            single = isinstance(connection, BatchConnection) and connection.batch_limits.one_model
            groups.setdefault((settings.provider, settings.model if single else None), []).append(waiting)
        return [load for (provider, _), group in groups.items() for load in await self._cut(provider, group)]

    async def _cut(self, provider: str, group: Sequence[_Waiting]) -> list[Load]:
        connection = group[0].member.connection
        assert isinstance(connection, BatchConnection)  # noqa: S101 - ``ask`` lets no other through
        limits, size = connection.batch_limits, 0
        cut: list[tuple[list[BatchItem], list[bytes]]] = []
        for number, waiting in enumerate(group):
            item = waiting.item
            if number % _TURN == 0:
                await asyncio.sleep(0)
            if waiting.arrived.done():
                continue
            try:
                line = connection.batch_item(item.call, waiting.member.settings.model, waiting.prompt)
            except CallFailed as failed:
                self._arrive(item, line_of(item, waiting.member, self._run, failed), failed)
                continue
            if not cut or size + len(line) > limits.bytes or len(cut[-1][0]) >= limits.items:
                cut.append(([], []))
                size = 0
            size += len(line) + 1
            cut[-1][0].append(item)
            cut[-1][1].append(line)
            self._left.add(item.reservation)
        return [(self._batch(provider, items), connection, lines) for items, lines in cut]

    def _batch(self, provider: str, items: Sequence[BatchItem]) -> OpenBatch:
        return OpenBatch(
            id=str(uuid7()),
            run=self._run,
            provider=provider,
            provider_id=None,
            made_at=datetime.now(UTC),
            items=tuple(items),
        )

    def _deliver(self, batch: OpenBatch, id_: str, item: BatchItem, came: Came) -> None:
        call = line_of(item, self._fleet.get(item.member), self._run, came, batch=id_ or None, begun=batch.made_at)
        self._arrive(item, call, came if isinstance(came, CallFailed) else None)

    def _arrive(self, item: BatchItem, call: Call, error: CallFailed | None) -> None:
        self._left.discard(item.reservation)
        waiting = self._waiting.get(item.call)
        if waiting is None or waiting.arrived.done():
            self._late.append((item, call))
        else:
            waiting.arrived.set_result((call, error))
