"""From a row of a file, or a request of the log, to a job: the prompt is in the log before anybody is asked."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from uuid_utils import uuid7

from ensemble.errors import RouterError
from ensemble.fleet import permitted
from ensemble.labelling.asking import PATIENCE_S
from ensemble.labelling.classifier import Classifier
from ensemble.labelling.filling import Job
from ensemble.labelling.panel import seats_of, whole_panel
from ensemble.labelling.rows import Row
from ensemble.labelling.tally import Tally
from ensemble.ledger import Aim
from ensemble.pipeline import Pipeline
from ensemble.router import Context
from ensemble.ruling import Models
from ensemble.store.filling import DatasetRow, Held, complete_request, enter, held
from ensemble.store.rows import prompt_hash
from ensemble.types import Call, Late, Plan, Record, Request, RequestId
from judges.types import Model

NO_PLAN = "the router has no plan"


@dataclass(slots=True, kw_only=True)
class Desk:
    """Makes jobs for a run; ``router`` None takes each stored prompt's own plan.

    A prompt that is in the log is filled in place; one that is not is recorded first. ``taken`` are the requests whose
    jobs are not done: a further row of the same prompt is a duplicate.
    """

    pipeline: Pipeline
    tally: Tally
    run: str
    router: str | None
    judge: str | None
    members: tuple[str, ...]
    classifier: Classifier | None = None
    _taken: set[RequestId] = field(default_factory=set)
    _lately: set[RequestId] = field(default_factory=set)

    def done(self, job: Job) -> None:
        """Tell that nothing more is done about ``job``."""
        self._taken.discard(job.held.request)
        self._lately.add(job.held.request)

    async def rows(self, rows: Sequence[Row]) -> list[Job]:
        """The jobs of ``rows``, each of which is durably entered in the data set of the run."""
        by_hash: dict[str, list[Row]] = {}
        for row in rows:
            by_hash.setdefault(prompt_hash(row.prompt), []).append(row)
        # What ends while the log is read may be known there as it was before, so it is not taken up again.
        self._lately.clear()
        known = await self.pipeline.store.read(partial(held, hashes=list(by_hash)))
        try:
            async with asyncio.TaskGroup() as group:
                made = {
                    hash_: group.create_task(
                        self._known(known[hash_], same[0]) if hash_ in known else self._new(same[0])
                    )
                    for hash_, same in by_hash.items()
                }
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        jobs, entries = list[Job](), list[DatasetRow]()
        for hash_, same in by_hash.items():
            job = made[hash_].result()
            self.tally.duplicates += len(same) - 1
            if job is None:
                self.tally.problem(NO_PLAN)
                continue
            entries += [_entry(self.run, row, job.held.request) for row in same]
            if self._take(job):
                jobs.append(job)
            else:
                self.tally.duplicates += 1
        self.tally.displaced += await self.pipeline.store.change(partial(enter, rows=entries))
        return jobs

    async def preview(self, row: Row, known: Held | None) -> Job | None:
        """The job of ``row`` as it would be made; nothing is written, and a router that asks models plans without."""
        found = known or self._fresh(row)
        plan = found.plan
        if self.router is not None and not self._filled(found):
            plan = await self._routed(_request(found, self.router), {})
        return None if plan is None else self._job(found, plan)

    async def stored(self, found: Held) -> Job | None:
        """The job of a stored prompt; None where there is no plan for it."""
        plan, calls = found.plan, list[Call]()
        if self.router is not None and not self._filled(found):
            plan = await self._plan(_request(found, self.router), calls)
        if calls:
            await self.pipeline.store.record_late(Late(request=found.request, calls=tuple(calls), authors={}))
        for call in calls:
            self.tally.called(call)
        return None if plan is None else self._job(found, plan)

    def _filled(self, found: Held) -> bool:
        """Whether nothing is left to call by the plan that the router made for ``found`` before: it makes no other.

        Of a request that was served, the stored plan may be less than what the router would have a label run call.
        """
        plan = found.plan
        if plan is None or found.status != "stored" or plan.router != self.pipeline.router(self.router or "").digest:
            return False
        return not seats_of(whole_panel(plan), found.candidates, self.pipeline.fleet).lack

    def _take(self, job: Job) -> bool:
        id_ = job.held.request
        if id_ in self._taken or id_ in self._lately:
            return False
        self._taken.add(id_)
        return True

    def _job(self, found: Held, plan: Plan) -> Job:
        flat = whole_panel(plan, judge=self.judge, extra=self.members)
        return Job(held=found, plan=flat, only=frozenset(self.members) or None)

    async def _known(self, found: Held, row: Row) -> Job | None:
        domain, by = (found.domain, found.domain_by) if found.domain else self._domain(row)
        news = replace(
            found,
            reference=found.reference or row.reference,
            conversation=found.conversation or row.conversation,
            domain=domain,
            domain_by=by,
            data_class=row.data_class or found.data_class,
        )
        if news != found:
            await self.pipeline.store.change(partial(complete_request, held=news))
        return await self.stored(news)

    async def _new(self, row: Row) -> Job | None:
        fresh = self._fresh(row)
        request, calls = _request(fresh, self.router or ""), list[Call]()
        plan = await self._plan(request, calls)
        if plan is None and not calls:
            return None
        job = None if plan is None else self._job(fresh, plan)
        record = Record(
            request=request,
            status="stored",
            plan=None if job is None else job.plan,
            calls=tuple(calls),
            authors={},
            rulings=(),
            chosen=None,
            fallback=None,
            answered_s=0.0,
            config=self.pipeline.config,
        )
        await self.pipeline.store.record(record)
        for call in calls:
            self.tally.called(call)
        return None if job is None else replace(job, held=replace(fresh, plan=job.plan))

    def _fresh(self, row: Row) -> Held:
        domain, by = self._domain(row)
        return Held(
            request=RequestId(str(uuid7())),
            status="stored",
            prompt=row.prompt,
            plan=None,
            reference=row.reference,
            conversation=row.conversation,
            domain=domain,
            domain_by=by,
            data_class=row.data_class,
        )

    def _domain(self, row: Row) -> tuple[str | None, str | None]:
        """The domain of a row, and the digest of the classifier that named it: the row's own word goes before."""
        if row.domain is not None or self.classifier is None:
            return row.domain, None
        named = self.classifier.classify(row.prompt)
        return named, self.classifier.digest if named is not None else None

    async def _plan(self, request: Request, calls: list[Call]) -> Plan | None:
        """What the router plans; the calls that it makes for that go into ``calls``."""
        aim = Aim(purpose="router", seat=request.model, run=self.run)
        return await self._routed(request, Models(self.pipeline.fleet, request, aim, calls.append, request.deadline))

    async def _routed(self, request: Request, models: Mapping[str, Model]) -> Plan | None:
        router = self.pipeline.router(request.model)
        try:
            return await router.plan(request, Context(fleet=permitted(self.pipeline.fleet, request), models=models))
        except RouterError:
            return None


def _entry(dataset: str, row: Row, request: RequestId) -> DatasetRow:
    return DatasetRow(dataset=dataset, row_id=row.row_id, request=request, position=row.position, metadata=row.metadata)


def _request(found: Held, router: str) -> Request:
    return Request(
        id=found.request,
        model=router,
        prompt=found.prompt,
        arrived_at=datetime.now(UTC),
        deadline=asyncio.get_running_loop().time() + PATIENCE_S,
        dialect="label",
        conversation=found.conversation,
        data_class=found.data_class,
        source="label",
        reference=found.reference,
        domain=found.domain,
        domain_by=found.domain_by,
    )
