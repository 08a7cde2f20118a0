"""A labelling run: prompts in, labels in the log, a bounded number of prompts in memory."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Literal

from ensemble.errors import EnsembleError, StoreError
from ensemble.labelling.asking import Asker, Online
from ensemble.labelling.carrying import Pace
from ensemble.labelling.cashier import Cashier, Stopped
from ensemble.labelling.classifier import Classifier
from ensemble.labelling.entry import NO_PLAN, Desk
from ensemble.labelling.filling import Filler, Job
from ensemble.labelling.rejects import Rejects
from ensemble.labelling.rows import Reject, Row
from ensemble.labelling.tally import Tally
from ensemble.labelling.till import Till
from ensemble.labelling.waves import Waves
from ensemble.pipeline import Pipeline
from ensemble.store.filling import holding, stored
from ensemble.types import RequestId

Source = Iterator[Row | Reject]
CHUNK = 64
"""Rows that are read, looked up and entered together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to do.

    Attributes:
        run: name of the run and of its data set; a run of the same name goes on where that one ended.
        router: whose panel to fill; None takes each stored prompt's own plan, and is for stored prompts alone.
        judge: name of the judge to use in the place of the router's.
        members: members to call beside the panel; where there are any, nobody else is called.
        concurrency: prompts under way at once.
        cancel: the batches of the run that are at work are not waited for, but cancelled.
        via: ``batch`` hands calls over to the providers in bulk, at their batch prices.
        max_nano_usd: the most that the run may cost, over all its invocations.
        classifier: who names the domain of a row that comes without one.
    """

    run: str
    router: str | None = None
    judge: str | None = None
    members: tuple[str, ...] = ()
    concurrency: int = 32
    max_nano_usd: int | None = None
    classifier: Classifier | None = None
    via: Literal["online", "batch"] = "online"
    cancel: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: ``stopped`` says why it ended before its time, None where all was done.

    ``spent_nano_usd`` counts all invocations of the run, what is set aside included; known where it is capped.
    """

    tally: Tally
    stopped: Stopped | None = None
    spent_nano_usd: int | None = None


class Runner:
    """One invocation of a run. ``pipeline`` holds the parts that it works with; nothing of it is served.

    ``pace`` is that of the batches; ``till`` counts the money where the log does not.
    """

    def __init__(
        self, pipeline: Pipeline, options: Options, *, pace: Pace | None = None, till: Till | None = None
    ) -> None:
        self.tally = Tally()
        self._store, self._options = pipeline.store, options
        self._asker: Asker = Online()
        if options.via == "batch":
            self._asker = Waves(pipeline.store, pipeline.fleet, options.run, self.tally, pace, cancel=options.cancel)
        self._cashier = Cashier(pipeline.store, self._asker, options.run, self.tally, options.max_nano_usd, till)
        self._desk = Desk(
            pipeline=pipeline,
            tally=self.tally,
            run=options.run,
            router=options.router,
            judge=options.judge,
            members=options.members,
            classifier=options.classifier,
        )
        self._filler = Filler(
            store=pipeline.store,
            fleet=pipeline.fleet,
            judges=pipeline.judges,
            cashier=self._cashier,
            tally=self.tally,
            run=options.run,
            # A label is what the judge found. Shrunk, it would depend on what was labelled before it.
            means=pipeline.means.none,
            capped=options.max_nano_usd is not None,
        )

    def stop(self, why: str) -> None:
        """Take up nothing new; calls under way end and are stored, and batches go on without anybody waiting."""
        stopped = Stopped(why)
        self._cashier.close(stopped)
        self._asker.close(stopped)

    @property
    def stopped(self) -> Stopped | None:
        """Why nothing new is taken up, or None."""
        return self._cashier.closed

    async def label(self, source: Source, rejects: Rejects) -> Outcome:
        """Label every row of ``source``, which is read in a worker thread, a chunk at a time.

        Raises:
            StoreError: the log cannot be read or written.
            InvalidRequest: the source cannot be read.
        """
        return await self._fill(self._rows(source, rejects))

    async def label_stored(self, where: str = "TRUE") -> Outcome:
        """Fill prompts that are in the log: those that ``where``, a condition in SQL on ``requests``, picks.

        Raises:
            StoreError: the log cannot be read or written, or ``where`` is no condition.
        """
        return await self._fill(self._stored(where))

    async def settle(self) -> Outcome:
        """Ask nothing; take in what the batches of earlier invocations have done.

        Raises:
            StoreError: the log cannot be read or written.
        """
        async with self._asker.running():
            pass
        return await self._ended([])

    async def _fill(self, jobs: AsyncGenerator[Job, None]) -> Outcome:
        room = asyncio.Semaphore(self._options.concurrency)
        failed: list[Exception] = []

        def give_up(error: Exception) -> None:
            failed.append(error)
            self.stop(str(error))

        async def one(job: Job) -> None:
            try:
                await self._filler.fill(job)
            except Stopped:
                return
            except StoreError as error:
                give_up(error)
            finally:
                self._desk.done(job)
                room.release()

        async with aclosing(jobs) as coming, self._asker.running(), asyncio.TaskGroup() as group:
            try:
                async for job in coming:
                    await room.acquire()
                    if self._cashier.closed:
                        break
                    group.create_task(one(job))
            except (StoreError, EnsembleError) as error:
                give_up(error)
        return await self._ended(failed)

    async def _ended(self, failed: list[Exception]) -> Outcome:
        if isinstance(self._asker.stopped, Stopped):
            self._cashier.close(self._asker.stopped)
        elif self._asker.stopped is not None:
            failed.append(self._asker.stopped)
        if failed:
            raise failed[0]
        capped = self._options.max_nano_usd is not None
        return Outcome(self.tally, self._cashier.closed, await self._cashier.spent() if capped else None)

    async def _rows(self, source: Source, rejects: Rejects) -> AsyncGenerator[Job, None]:
        while not self._cashier.closed and (chunk := await asyncio.to_thread(_chunk, source)):
            rows = list[Row]()
            for row in chunk:
                self.tally.rows += 1
                if isinstance(row, Row):
                    rows.append(row)
                else:
                    self.tally.reject(row.reason)
                    rejects.add(row)
            for job in await self._desk.rows(rows):
                yield job

    async def _stored(self, where: str) -> AsyncGenerator[Job, None]:
        last: RequestId | None = None
        ask = self._store.read
        while not self._cashier.closed and (ids := await ask(partial(stored, where=where, after=last, most=CHUNK))):
            last = ids[-1]
            self.tally.rows += len(ids)
            for found in await ask(partial(holding, ids=ids)):
                job = await self._desk.stored(found)
                if job is None:
                    self.tally.problem(NO_PLAN)
                else:
                    yield job


def _chunk(source: Source) -> list[Row | Reject]:
    return list(islice(source, CHUNK))
