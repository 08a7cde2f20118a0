"""Judges many stored cases again, a bounded number of them at once."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ensemble.errors import StoreError
from ensemble.labelling.asking import Asker, Online
from ensemble.labelling.cashier import Cashier, Stopped
from ensemble.labelling.tally import Tally
from ensemble.pipeline import Pipeline
from ensemble.rejudging.again import Again, Options
from ensemble.rejudging.churn import Churn
from ensemble.store.filling import Held, holding, stored
from ensemble.store.rejudging import Standing, standing
from ensemble.types import RequestId
from judges.types import CandidateId

C = TypeVar("C")
CHUNK = 64
"""Cases that are read together."""
TOO_FEW = "there are not two candidates to compare"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: ``stopped`` says why it ended before its time, None where all was done."""

    churn: Churn
    tally: Tally
    stopped: Stopped | None = None


class Rejudger:
    """One run. ``pipeline`` holds the parts that it works with; nothing of it is served."""

    def __init__(self, pipeline: Pipeline, options: Options, asker: Asker | None = None) -> None:
        self.tally, self.churn = Tally(), Churn()
        self._store, self._options = pipeline.store, options
        self._cashier = Cashier(pipeline.store, asker or Online(), options.run, self.tally, options.max_nano_usd)
        self._again = Again(pipeline, options.judge, self._cashier, options.run)

    def stop(self, why: str) -> None:
        """Take up nothing new; calls under way end and are stored."""
        self._cashier.close(Stopped(why))

    async def run(self) -> Outcome:
        """Judge every case that ``where`` picks.

        Raises:
            StoreError: the log cannot be read or written, or ``where`` is no condition.
        """
        await each(self._cases(), self._one, self._options.concurrency, self._cashier)
        return Outcome(self.churn, self.tally, self._cashier.closed)

    async def _cases(self) -> AsyncGenerator[tuple[Held, Standing | None], None]:
        last: RequestId | None = None
        ask, where = self._store.read, self._options.where
        while ids := await ask(partial(stored, where=where, after=last, most=CHUNK)):
            last = ids[-1]
            found = await ask(partial(holding, ids=ids))
            stands = await ask(partial(standing, ids=ids))
            self.tally.rows += len(ids)
            for held in found:
                yield held, stands.get(held.request)

    async def _one(self, case: tuple[Held, Standing | None]) -> None:
        held, stands = case
        authors = authors_of(held)
        panel = (stands.panel if stands else ()) or tuple(authors)
        if len(set(panel) & authors.keys()) < 2:
            self.churn.skipped[TOO_FEW] += 1
            return
        found, reused = await self._again.judge(held, panel)
        self.tally.prompts += 1
        self.churn.add(stands.finding if stands else None, found, authors, reused=reused)


def authors_of(held: Held) -> dict[CandidateId, str]:
    """Who wrote the stored candidates."""
    return {call.candidate: call.member for call in held.candidates if call.candidate is not None}


async def each(
    cases: AsyncGenerator[C, None], one: Callable[[C], Awaitable[None]], at_once: int, cashier: Cashier
) -> None:
    """Have ``one`` deal with every case, until there are no more or ``cashier`` is closed. Raises StoreError."""
    room = asyncio.Semaphore(at_once)
    failed: list[Exception] = []

    def give_up(error: Exception) -> None:
        failed.append(error)
        cashier.close(Stopped(str(error)))

    async def guarded(case: C) -> None:
        try:
            await one(case)
        except Stopped:
            return
        except StoreError as error:
            give_up(error)
        finally:
            room.release()

    async with aclosing(cases) as coming, asyncio.TaskGroup() as group:
        try:
            async for case in coming:
                await room.acquire()
                if cashier.closed:
                    break
                group.create_task(guarded(case))
        except StoreError as error:
            give_up(error)
    if failed:
        raise failed[0]
