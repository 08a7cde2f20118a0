"""One batch from hand-over to its results, through lost connections and restarts."""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from ensemble.batch import BatchConnection, BatchState
from ensemble.errors import CallFailed
from ensemble.labelling.cashier import Stopped
from ensemble.labelling.tally import Tally
from ensemble.store import Store
from ensemble.store import batches as log_of
from ensemble.store.batches import BatchItem, OpenBatch
from judges.types import Completion

log = logging.getLogger(__name__)

SKEW = timedelta(minutes=5)
"""How far a provider's clock may be behind ours."""

Came = Completion | CallFailed
Deliver = Callable[[OpenBatch, str, BatchItem, Came], None]
"""Takes the result of one item of a batch; the text is the provider's id of the batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a run waits for what, in seconds.

    Attributes:
        quiet_s: after the last question until the wave leaves.
        gather_s: most of that, while questions come without end.
        poll_s: until a batch is asked after for the first time; each time half as much longer, up to ``most_poll_s``.
        tries: hand-overs of one batch that may fail.
    """

    quiet_s: float = 2.0
    gather_s: float = 600.0
    poll_s: float = 5.0
    most_poll_s: float = 300.0
    tries: int = 4

    def wait_s(self, attempt: int) -> float:
        """Seconds from question ``attempt`` after a batch, the first being 1, to the next one."""
        # The exponent is bounded too: a batch may be asked after for a week, and 1.5 ** 1751 overflows.
        return min(self.most_poll_s, self.poll_s * 1.5 ** min(attempt - 1, 100))


class Carrier:
    """Carries batches; ``closed`` set, it comes back with nothing, and the batch goes on at the provider.

    With ``cancel``, batches that are taken up again are cancelled, and what they have done by then is delivered.
    """

    def __init__(
        self,
        store: Store,
        tally: Tally,
        pace: Pace,
        closed: asyncio.Event,
        deliver: Deliver,
        *,
        cancel: bool = False,
    ) -> None:
        self._store, self._tally, self._pace, self._closed = store, tally, pace, closed
        self._deliver, self._cancel = deliver, cancel

    async def send(self, batch: OpenBatch, connection: BatchConnection, lines: Sequence[bytes]) -> None:
        """Hand ``batch`` over, wait for it and deliver what every item came to.

        Raises:
            Stopped: its results cannot be had for a reason that somebody has to mend.
            StoreError: the log cannot be written.
        """
        await self._store.change(partial(log_of.make, batch=batch))
        self._tally.at_work[batch.id] = "handed over"
        taken = await self._submit(batch, connection, lines)
        if isinstance(taken, CallFailed):
            # Who asked may ask again, in the next wave, and gives back what is left in the end.
            await self._store.change(partial(log_of.discard, id_=batch.id, money=False))
            self._tally.at_work.pop(batch.id, None)
            for item in batch.items:
                self._deliver(batch, "", item, taken)
        elif taken is not None:
            await self._fetch(batch, connection, taken)

    async def resume(self, batch: OpenBatch, connection: BatchConnection) -> None:
        """Take up a batch that an earlier process left. Raises as ``send``."""
        self._tally.at_work[batch.id] = "taken up again"
        taken = batch.provider_id
        if taken is None:
            found = await self._find(batch, connection)
            if self._closed.is_set():
                return
            if found is None:
                await self._store.change(partial(log_of.discard, id_=batch.id, money=True))
                self._tally.at_work.pop(batch.id, None)
                return
            taken = found
        if self._cancel:
            try:
                await connection.cancel_batch(taken)
            except CallFailed as failed:  # as a rule because it has ended by itself; how it is, is asked next
                log.warning("a batch could not be cancelled: %s", failed)
        await self._fetch(batch, connection, taken)

    async def _submit(
        self, batch: OpenBatch, connection: BatchConnection, lines: Sequence[bytes]
    ) -> str | CallFailed | None:
        """The provider's id of the batch, the failure of handing it over, or None where the run was closed."""
        attempt = 0
        while True:
            attempt += 1
            try:
                taken = await connection.submit_batch(batch.id, lines)
                await self._store.change(partial(log_of.took, id_=batch.id, provider_id=taken))
                return taken
            except CallFailed as failed:
                failure = failed
            if failure.sent and failure.retryable:
                # The connection may have broken after the provider had taken it, and it is not to be paid twice.
                found = await self._find(batch, connection)
                if found is not None or self._closed.is_set():
                    return found
            if not failure.retryable or attempt == self._pace.tries or await self._pause(attempt, failure):
                return None if self._closed.is_set() else failure

    async def _find(self, batch: OpenBatch, connection: BatchConnection) -> str | None:
        """The provider's id of a batch that may have been taken; None where it was not, or the run was closed."""
        known = await self._store.read(partial(log_of.known, provider=batch.provider))
        ids, attempt = {item.call for item in batch.items}, 0
        while not self._closed.is_set():
            attempt += 1
            try:
                found = await connection.find_batch(batch.id, ids, batch.made_at - SKEW, set(known))
            except CallFailed as failed:
                self._bearable(batch, failed)
                await self._pause(attempt, failed)
                continue
            if found.id is not None:
                await self._store.change(partial(log_of.took, id_=batch.id, provider_id=found.id))
                return found.id
            if not found.undecided:
                return None
            await self._pause(attempt)
        return None

    async def _fetch(self, batch: OpenBatch, connection: BatchConnection, id_: str) -> None:
        attempt = 0
        came: Mapping[str, Came] | None = None
        while True:
            failure = None
            try:
                came = await self._look(batch, connection, id_)
            except CallFailed as failed:
                failure = failed
                if failed.http_status == 404:  # it is gone, and nobody can tell what was paid
                    came = {item.call: CallFailed(str(failed), failure="bad_reply") for item in batch.items}
                else:
                    self._bearable(batch, failed)
            if came is not None:
                break
            attempt += 1
            if await self._pause(attempt, failure):
                return
        await self._store.change(partial(log_of.ended, id_=batch.id, states=[*_states(came)]))
        self._tally.at_work.pop(batch.id, None)
        self._tally.batches += 1
        for item in batch.items:
            self._deliver(batch, id_, item, came[item.call])

    async def _look(self, batch: OpenBatch, connection: BatchConnection, id_: str) -> Mapping[str, Came] | None:
        """What every item came to; None where the batch has not ended."""
        state = await connection.batch_state(id_)
        await self._store.change(partial(log_of.polled, id_=batch.id, told=state.told))
        self._tally.at_work[batch.id] = state.told
        return await self._results(batch, connection, id_, state) if state.ended else None

    async def _results(
        self, batch: OpenBatch, connection: BatchConnection, id_: str, state: BatchState
    ) -> dict[str, Came]:
        """What every item came to, in the order of the batch; the first result of an item counts."""
        wanted = {str(item.call) for item in batch.items}
        came: dict[str, Came] = {}
        async with aclosing(connection.batch_results(id_)) as results:
            async for name, said in results:
                if name in wanted:
                    came.setdefault(name, said)
        if state.rest is not None:
            came |= dict.fromkeys(wanted - came.keys(), state.rest)
        return came

    def _bearable(self, batch: OpenBatch, failed: CallFailed) -> None:
        """Raise Stopped where asking again would not help."""
        if not failed.retryable:
            told = f"provider {batch.provider!r} tells nothing of its batches: {failed}"
            raise Stopped(f"{told}; they go on there, and the same command takes them in once that is mended")

    async def _pause(self, attempt: int, failed: CallFailed | None = None) -> bool:
        """Wait before the next question; True at once where the run is closed."""
        wait = self._pace.wait_s(attempt)
        if failed is not None:
            log.warning("a batch: %s; asked again in %.0f s", failed, wait)
            wait = max(wait, failed.retry_after_s or 0.0)
        try:
            async with asyncio.timeout(wait * random.uniform(0.9, 1.1)):  # noqa: S311 - no secret
                await self._closed.wait()
        except TimeoutError:
            return False
        return True


def _states(came: Mapping[str, Came]) -> list[tuple[str, str]]:
    return [(name, _state(said)) for name, said in came.items()]


def _state(said: Came) -> str:
    if not isinstance(said, CallFailed):
        return "done"
    return "expired" if said.failure == "timeout" and not said.sent else "failed"
