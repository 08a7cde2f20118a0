"""Who asks on behalf of a run: sets money aside, has the call made, and writes it down before anybody sees it."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from uuid_utils import uuid7

from ensemble.bounds import most_nano_usd
from ensemble.errors import StoreError
from ensemble.labelling.asking import Asker, Question
from ensemble.labelling.tally import Tally
from ensemble.labelling.till import LogTill, Till
from ensemble.money import usd
from ensemble.store import Store
from ensemble.store.purse import shrink
from ensemble.types import Call, Late
from judges.types import CandidateId


class Stopped(Exception):
    """The run takes up nothing new; the sentence says why. What is under way ends as it would."""


class CapReached(Stopped):
    """The next call does not fit under the cap of the run."""


class LockedOut(Stopped):
    """A provider does not let the run in: asking on would fail for every prompt that is left."""


REFUSALS = 10
"""Calls of one member, one after the other, that its provider refuses for the key's sake before the run stops."""


class Cashier:
    """Makes the calls of the run called ``run``. ``cap`` is the most that it may cost, over all its invocations.

    ``till`` counts that; the log where there is none.

    Every call is durable when ``ask`` returns, so nothing is paid twice. Under a cap, so is its reservation before it
    leaves; what cannot be known to be cheaper counts in full.
    """

    def __init__(
        self, store: Store, asker: Asker, run: str, tally: Tally, cap: int | None = None, till: Till | None = None
    ) -> None:
        self._store, self._asker, self._cap, self._tally = store, asker, cap, tally
        self.run = run
        self._refused: Counter[str] = Counter()
        self._till: Till = till or LogTill(store, run)
        self.batch, self.patience_s = asker.batch, asker.patience_s
        self._open = 0
        self._news = asyncio.Event()
        self.closed: Stopped | None = None

    def close(self, why: Stopped) -> None:
        """Make every further ``ask`` raise ``why``; calls under way go on."""
        self.closed = self.closed or why
        self._tell()

    async def spent(self) -> int:
        """Nano-USD that the run has spent so far, what is set aside included."""
        return await self._till.spent()

    async def ask(self, question: Question) -> Call:
        """Have ``question`` asked; the returned line, the last attempt, and all before it are stored.

        Raises:
            Stopped: the run is over, or its money.
            StoreError: the log cannot be written.
        """
        if self.closed:
            raise self.closed
        aim = question.aim
        id_ = aim.candidate or str(uuid7())
        each = await self._reserve(id_, question) if self._cap is not None else 0
        calls: list[Call] = []
        try:
            last = await self._asker.ask(replace(question, id=id_), calls.append)
        except Stopped as stopped:
            self.close(stopped)
            raise
        finally:
            # Also of a call that was cancelled: what may have been paid is written down, whatever becomes of the run.
            await self._record(question, calls, id_, each)
        return last

    async def _reserve(self, id_: str, question: Question) -> int:
        """Set aside what ``question`` can cost with its retries; returns what one attempt can cost."""
        cap = self._cap or 0
        each = most_nano_usd(
            question.member, question.prompt, question.aim.purpose, datetime.now(UTC), batch=self.batch
        )
        if each is None:
            raise self._stop(
                Stopped(f"{question.member.name}: a call has no known bound of its cost, and the run is capped")
            )
        whole = each * question.member.settings.max_attempts
        while True:
            # Counted before the log is asked, so that of several who find no room only the last gives up.
            self._open += 1
            news = self._news
            granted = False
            try:
                granted = await self._till.reserve(id_, whole, cap)
            except asyncio.CancelledError:
                granted = True  # or will be: it is given back, since nothing was asked
                with suppress(StoreError):
                    await self._record(question, [], id_, each)
                raise
            finally:
                self._open -= not granted
            if granted:
                return each
            if self.closed:
                raise self.closed
            if not self._open:
                told = f"the next call may cost ${usd(whole)}, which the cap of ${usd(cap)} does not leave"
                raise self._stop(CapReached(told))
            await news.wait()

    def _notice(self, call: Call) -> None:
        """Stop where a member's key is wrong, as its refusals in a row show."""
        if call.failure == "unauthorized":
            self._refused[call.member] += 1
            if self._refused[call.member] == REFUSALS:
                told = f"the last {REFUSALS} calls of {call.member} were refused: {call.detail or 'unauthorized'}"
                self.close(LockedOut(f"{told}; mend the key of its provider"))
        elif call.failure != "skipped":  # which says nothing of the key
            self._refused[call.member] = 0

    def _tell(self) -> None:
        """Wake who waits for room: some has come back, or none will."""
        self._news.set()
        self._news = asyncio.Event()

    def _stop(self, why: Stopped) -> Stopped:
        self.close(why)
        return why

    async def _record(self, question: Question, calls: list[Call], id_: str, each: int) -> None:
        aim, capped = question.aim, self._cap is not None
        unknown = sum(call.usage.nano_usd is None for call in calls) if capped else 0
        authors = {CandidateId(aim.candidate): question.member.name} if aim.candidate else {}
        # What is still at the provider stays set aside, until a later invocation takes it in.
        settled = (id_,) if capped and not unknown and not self._asker.holds(id_) else ()
        late = Late(request=question.request.id, calls=tuple(calls), authors=authors, settled=settled)
        try:
            if calls or settled:
                await self._store.record_late(late)
            if unknown:
                await self._store.change(partial(shrink, id_=id_, nano_usd=each * unknown))
        finally:
            for call in calls:
                self._tally.called(call)
                self._notice(call)
            if capped:
                self._open -= 1
                self._tell()
