"""One prompt: call the seats that lack an answer, then let the judge see the whole panel."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ensemble.bounds import most_tokens
from ensemble.errors import StoreError
from ensemble.fanout import Seat, prompt_of
from ensemble.fleet import Fleet
from ensemble.labelling.asking import PATIENCE_S, Consulted, Question
from ensemble.labelling.cashier import Cashier, Stopped
from ensemble.labelling.panel import Seats, seats_of
from ensemble.labelling.tally import Tally
from ensemble.ledger import Aim
from ensemble.means import Means
from ensemble.ruling import Bench, case_key, case_of, rule
from ensemble.store import Store
from ensemble.store.filling import Held
from ensemble.types import Call, Late, Plan, Request, Ruling
from judges.judge import Judge
from judges.types import CandidateId


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A stored prompt and the plan that it is to be filled by, as ``whole_panel`` makes it.

    ``only`` names the members that may be called; None for all.
    """

    held: Held
    plan: Plan
    only: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Filled:
    """What was newly found on a prompt, None where nothing was, and who wrote the candidates of its panel."""

    ruling: Ruling | None
    authors: Mapping[CandidateId, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filler:
    """Fills prompts for the run called ``run``."""

    store: Store
    fleet: Fleet
    judges: Mapping[str, Judge]
    cashier: Cashier
    tally: Tally
    run: str
    means: Means
    capped: bool = False

    async def fill(self, job: Job) -> Filled:
        """Bring ``job`` to its label, as far as members and judge allow.

        Raises:
            Stopped: the run is over; what was under way is stored, and another run goes on from there.
            StoreError: the log cannot be written.
        """
        if self.capped and most_tokens(job.held.prompt) is None:
            self.tally.problem("images or files have no bound of cost, and the run is capped")
            return Filled(None, {})
        request = _request(job.held)
        seats = seats_of(job.plan, job.held.candidates, self.fleet)
        ask = [seat for seat in seats.lack if seat.member in self.fleet and (not job.only or seat.member in job.only)]
        came = await self._call(request, job, ask)
        panel = _in_order(job.plan, seats, ask, came)
        ruling = await self._judge(request, job, panel) if panel else None
        self.tally.prompts += 1
        self.tally.untouched += not ask and ruling is None
        self.tally.unfinished += len(panel) < len(seats.have) + len(seats.lack)
        lacking = [(call.member, call.failure) for call in came if call.failure is not None]
        self.tally.lacking.update(lacking)
        self.tally.unanswered += bool(lacking)
        undecided = ruling is not None and ruling.fallback is not None
        self.tally.incomplete += bool(lacking) or undecided or not panel
        return Filled(ruling, {call.candidate: call.member for call in panel if call.candidate is not None})

    async def _call(self, request: Request, job: Job, seats: list[Seat]) -> list[Call]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._seat(request, job, seat)) for seat in seats]
        ended = [task.result() for task in tasks]
        # Only now, so that a seat that may not be called any more cancels none of those that are paid for already.
        for error in ended:
            if isinstance(error, Exception):
                raise error
        return [call for call in ended if isinstance(call, Call)]

    async def _seat(self, request: Request, job: Job, seat: Seat) -> Call | Exception:
        member = self.fleet[seat.member]
        prompt = prompt_of(request, job.plan.stages[0], seat, member)
        aim = Aim(
            purpose="candidate" if job.held.served is None else "shadow",
            candidate=seat.candidate,
            sample=seat.sample,
            stage=_stage(job.held),
            run=self.run,
        )
        try:
            return await self.cashier.ask(Question(request=request, member=member, prompt=prompt, aim=aim))
        except (Stopped, StoreError) as error:
            return error

    async def _judge(self, request: Request, job: Job, panel: list[Call]) -> Ruling | None:
        """Have the panel judged and the finding stored, unless it is there."""
        name = job.plan.stages[0].judge
        if name is None:
            return None
        judge, ruled = self.judges[name], job.held.ruled
        key = case_key(case_of(request, panel, self.fleet))
        # A finding that is in force is not asked for twice; one that failed is.
        if ruled and (ruled.case_key, ruled.judge) == (key, judge.digest) and ruled.stands:
            return None
        stage = _stage(job.held)
        aim = Aim(purpose="judge", seat=name, stage=stage, run=self.run)
        patience_s = self.cashier.patience_s
        models = Consulted(self.fleet, request, aim, self.cashier.ask, job.held.replies, patient=self.cashier.batch)
        ruling = await rule(
            request,
            panel,
            Bench(name=name, judge=judge, fleet=self.fleet, means=self.means),
            job.plan,
            stage=0,
            phase="full",
            until=asyncio.get_running_loop().time() + patience_s,
            seen=lambda call: None,  # whatever is asked goes through the cashier
            models=models.telling,
        )
        if models.stopped is not None:
            raise models.stopped
        served, winners = job.held.served, ruling.verdict.winners
        overturned = served is not None and ruling.fallback is None and served not in winners
        ruling = replace(ruling, stage=stage, overturned=overturned)
        late = Late(request=request.id, calls=(), authors={}, ruling=ruling, asked=tuple(models.lines))
        await self.store.record_late(late)
        self.tally.labelled += ruling.fallback is None
        self.tally.undecided += ruling.fallback is not None
        self.tally.abstained += ruling.fallback is not None and ruling.verdict.outcome != "failed"
        self.tally.replayed += models.replayed
        return ruling


def _request(held: Held) -> Request:
    return Request(
        id=held.request,
        model="",
        prompt=held.prompt,
        arrived_at=datetime.now(UTC),
        deadline=asyncio.get_running_loop().time() + PATIENCE_S,
        source="label",
        reference=held.reference,
        data_class=held.data_class,
    )


def _stage(held: Held) -> int:
    """The stage under which labels come in: the last that the stored plan has, so that the view takes them first."""
    return len(held.plan.stages) - 1 if held.plan else 0


def _in_order(plan: Plan, seats: Seats, asked: list[Seat], came: list[Call]) -> list[Call]:
    """The answered seats in the order of the plan, failed ones left out."""
    new = {(seat.member, seat.sample): call for seat, call in zip(asked, came, strict=True) if call.failure is None}
    old = {(call.member, call.sample): call for call in seats.have}
    both = new | old
    return [both[seat] for seat in plan.stages[0].seats() if seat in both]
