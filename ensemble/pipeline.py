"""The one path of a request: plan, fan out, judge, record, answer."""

import asyncio
import difflib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from uuid_utils import uuid4

from ensemble.afterwards import Afterwards
from ensemble.behind import led
from ensemble.choices import check_room, further, ranked, warned, widened
from ensemble.errors import (
    EnsembleError,
    NoCandidate,
    NotPermitted,
    RouterError,
    StoreError,
    StoreUnavailable,
    UnknownModel,
)
from ensemble.estimates import Estimates, Need
from ensemble.events import Finished, Judged, Listener, ended, nobody, started
from ensemble.fanout import FanOut, Seat, Stragglers, cancel, fan_out, seated
from ensemble.fleet import Fleet, Send, permitted
from ensemble.habits import Sittings
from ensemble.leading import behind_a_leader, may_lead
from ensemble.ledger import Aim
from ensemble.means import Means, finding_of
from ensemble.money import add
from ensemble.narrowing import Limits, limits_of, narrow
from ensemble.router import Context, MemberName, Router, Watching
from ensemble.ruling import Bench, Models, by_trust, case_of, first_in_order, rule, settled
from ensemble.run import Choice, Run
from ensemble.shortfall import beyond_budget, nobody_answered, spare
from ensemble.sticking import kept_to
from ensemble.store import Store
from ensemble.timing import in_time, stage_end
from ensemble.trusting import escalated, trusted, warn
from ensemble.types import Answer, Call, Plan, Record, Request, Ruling, Stage, Status, answers_of
from judges.deadline import Deadline
from judges.judge import Judge
from judges.screen import screened
from judges.shrinkage import plain
from judges.types import Candidate, CandidateId

log = logging.getLogger(__name__)

COMMIT_S = 0.5
"""Seconds that the log has for a record in any case, also when a request's deadline has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Routers, fleet, judges and log, put together, and what the log has taught so far.

    That is the ``means`` of members' quality, and the ``sittings`` of judges: what judging costs and how long it takes.
    ``config`` is the digest of the configuration in force; ``watches`` holds those of the routers that have one.
    """

    routers: Mapping[str, Router]
    fleet: Fleet
    judges: Mapping[str, Judge]
    store: Store
    stragglers: Stragglers
    config: str
    means: Means = field(default_factory=Means)
    sittings: Sittings = field(default_factory=Sittings)
    watches: Mapping[str, Watching] = field(default_factory=dict)

    def router(self, model: str) -> Router:
        """The router that serves ``model``.

        Raises:
            UnknownModel: no router has that name; the message lists the nearest names.
        """
        if model in self.routers:
            return self.routers[model]
        near = difflib.get_close_matches(model, self.routers, n=3, cutoff=0.4) or sorted(self.routers)[:8]
        raise UnknownModel(f"there is no model {model!r} here; try {', '.join(near)}", param="model")

    async def answer(self, request: Request, listener: Listener = nobody) -> Answer:
        """Answer ``request`` and record how. The record is durable before this returns.

        Raises:
            UnknownModel: ``request.model`` names no router and no member.
            NoCandidate: every call of every stage failed.
            TooLong: they all failed because no member has room for the request.
            Unsupported: none was sent, since with ``strict_params`` no member takes the request's parameters.
            DeadlineExceeded: the deadline came before a first candidate.
            InvalidRequest: a limit in the metadata is none, or leaves no room for ``request.n`` answers.
            Infeasible: nothing fits those limits, and the router refuses to exceed them.
            NotConfident: no answer reaches what the router demands, and it refuses to serve another.
            StreamBroken: the answer of a leader broke off when a part of it had been told to ``listener``.
            StoreUnavailable: the record could not be committed, so nothing is answered.
        """
        router = self.router(request.model)
        run = Run(request, asyncio.get_running_loop().time(), listener)
        try:
            run.plan = plan = await self._plan(router, run)
            if self._leads(router, run, plan):
                run.plan = plan = behind_a_leader(plan)
                choice = await led(self, run, plan, router.leader)
            else:
                further = router.trust is not None and router.trust.escalate_to is not None
                first = self._stages(run, plan, further=further)
                choice = await trusted(run, first, self.routers, self._escalate)
            # A watch asks and judges the shadow itself.
            own = run.plan if run.request.model not in self.watches else replace(run.plan, shadow=())
            afterwards = Afterwards(self.fleet, self.judges, self.store, run, own, self.means)
            run.late = await afterwards.lingering(room=self.stragglers.room)
        except EnsembleError as error:
            await self._fail(run, error)
            raise
        except asyncio.CancelledError:
            # The calls have been cancelled by now; what they were is written behind the back of a client who is gone.
            self.stragglers.own(self._bury(run, "cancelled"), to_the_end=True)
            raise
        except Exception as error:
            # Of us, or of anybody's plugin: whoever called this tells of it, and the log of what it has cost.
            bug = EnsembleError(f"{type(error).__name__} was raised")
            self.stragglers.own(self._bury(run, "failed", bug), to_the_end=True)
            raise
        if told := beyond_budget(run):
            warn(run, told)
        return await self._serve(run, run.plan, choice, afterwards)

    async def _plan(self, router: Router, run: Run) -> Plan:
        limits = limits_of(run.request.metadata)  # before the router, whose own calls may cost something
        watch = self.watches.get(run.request.model)
        plan = watch.instead() if watch is not None else None
        if plan is None:
            plan = await self._routed(router, run)
            if router.stick and run.request.conversation:
                plan = await kept_to(plan, run.request, self.fleet, self.store)
        plan = self._limited(plan, router, limits, run)
        return plan if watch is None else watch.shadowed(plan, run.request)

    def _limited(self, plan: Plan, router: Router, limits: Limits, run: Run) -> Plan:
        # All of this is seen to here, so that it holds for every router, whoever wrote it.
        plan = widened(plan, run.request.n)
        if limits:
            plan = self._narrowed(plan, router, limits, run)
        if router.strict_params:
            plan = replace(plan, stages=tuple(replace(stage, strict_params=True) for stage in plan.stages))
        check_room(plan, run.request.n)
        return plan

    async def _escalate(self, run: Run, name: str) -> Choice:
        """The choice of another router, whose stages go behind those that were run."""
        router, before = self.routers[name], run.plan
        more = self._limited(await self._routed(router, run), router, limits_of(run.request.metadata), run)
        run.plan = plan = more if before is None else escalated(before, more, name)
        trust = router.trust
        further = trust is not None and trust.escalate_to is not None
        return await self._stages(run, plan, start=len(plan.stages) - len(more.stages), further=further)

    async def _routed(self, router: Router, run: Run) -> Plan:
        aim = Aim(purpose="router", seat=run.request.model)
        models = Models(self.fleet, run.request, aim, run.calls.append, run.request.deadline)
        watch = self.watches.get(run.request.model)
        drawing = watch is not None and watch.drawing
        context = Context(fleet=permitted(self.fleet, run.request), models=models, shadows=drawing)
        try:
            now = asyncio.get_running_loop().time()
            return await in_time(router.plan(run.request, context), now, run.request.deadline)
        except RouterError as error:
            if not permitted(self.fleet, run.request):
                told = f"data of class {run.request.data_class!r} may go to no member's provider"
                raise NotPermitted(told) from error
            if not router.fallback:
                raise NoCandidate(f"the router {run.request.model!r} has no plan: {error}") from error
            stages = tuple(Stage(members=(name,)) for name in router.fallback)
            return Plan(router=router.digest, stages=stages, reason=f"fallback, since the router failed: {error}")

    def _narrowed(self, plan: Plan, router: Router, limits: Limits, run: Run) -> Plan:
        spent = Need(add(*(call.usage.nano_usd for call in run.calls)), asyncio.get_running_loop().time() - run.begin)
        estimates = Estimates(
            fleet=self.fleet,
            judges=self.judges,
            sittings=self.sittings,
            prompt=run.request.prompt,
            moment=run.request.arrived_at,
        )
        # A member that only the shadow names may be new, and is not to be trusted with an answer.
        own = ((place, name) for place, name in router.references() if not place.startswith("shadow."))
        seen_by = permitted(self.fleet, run.request)
        others = [name for _, name in own if isinstance(name, MemberName) and name in seen_by]
        refuse = router.infeasible == "refuse"
        return narrow(plan, limits, limits.less(spent), estimates, others, refuse=refuse)

    async def _stages(self, run: Run, plan: Plan, *, start: int = 0, further: bool = False) -> Choice:
        """What the stages from ``start`` on come to; ``further`` keeps time for one more panel."""
        best: Choice | None = None
        clock, deadline = asyncio.get_running_loop().time, run.request.deadline
        for index, stage in enumerate(plan.stages[start:], start):
            until = stage_end(clock(), deadline, len(plan.stages) - index + further)
            fanned = await self._fan_out(run, stage, index, until)
            run.late |= fanned.late
            choice = await self._decide(run, plan, stage, index, fanned, until)
            if choice is not None:
                best, run.panel = choice, fanned.done
            if best is not None and (clock() >= deadline or (choice and self._accepted(run, stage, choice))):
                break
        best = best or spare(run, plan, start)
        if best is None:
            raise nobody_answered(run)
        return best

    def _leads(self, router: Router, run: Run, plan: Plan) -> bool:
        """Whether a leader speaks; behind one, members that are there for their labels alone need a watch."""
        watched = run.request.model in self.watches
        return router.streaming == "leader" and may_lead(plan, run.request) and (watched or not plan.shadow)

    async def begin(self, run: Run) -> None:
        """As ``Engine.begin``."""
        await self._commit(run, self._record(run, "streaming"))
        run.begun = True

    async def _fan_out(self, run: Run, stage: Stage, index: int, until: float) -> FanOut:
        fanned = await self.ask(run, stage, index, stage.seats(), until)
        more = further(stage, fanned, run.request.n)
        if not more:
            return fanned
        # Of the time that is left, the judge keeps its share.
        now = asyncio.get_running_loop().time()
        kept = stage.judge_reserve_s if stage.judge_reserve_s is not None else (until - now) / 5
        again = await self.ask(run, stage, index, more, max(now, until - kept))
        return FanOut((*fanned.done, *again.done), again.late)

    async def ask(self, run: Run, stage: Stage, index: int, places: Sequence[tuple[str, int]], until: float) -> FanOut:
        """As ``Engine.ask``."""
        # Random, not time-ordered: an id that tells the order of the panel would tell who is trusted most.
        seats = [seated(member=m, sample=n, candidate=CandidateId(str(uuid4()))) for m, n in places]
        for seat in seats:
            run.authors[seat.candidate] = seat.member
            run.tell(started, member=seat.member, sample=seat.sample, stage=index)
        lead, judge = run.lead, self.judges[stage.judge] if stage.judge else None
        if lead is not None:
            lead.take(seats)

        def enough(calls: Sequence[Call], outstanding: int) -> bool:
            if judge is None or sum(call.good for call in calls) < run.request.n:
                return False
            return settled(judge, case_of(run.request, calls, self.fleet), outstanding)

        def done(call: Call) -> None:
            run.tell(ended, call=call)

        def sender(seat: Seat) -> Send | None:
            return None if lead is None else lead.sender(self.fleet[seat.member], seat.candidate)

        return await fan_out(
            run.request,
            stage,
            self.fleet,
            seats,
            index=index,
            seen=run.heard,
            until=until,
            # Nobody waits behind a leader, and most judges cannot tell before the last candidate.
            enough=enough if lead is None and judge is not None and judge.settles else None,
            done=done,
            sender=sender,
        )

    async def _decide(
        self, run: Run, plan: Plan, stage: Stage, index: int, fanned: FanOut, until: float
    ) -> Choice | None:
        answers = answers_of(fanned.done)
        if not answers:
            return None
        aside: Mapping[CandidateId, str]
        if stage.judge is None:
            looked = await screened(case_of(run.request, fanned.done, self.fleet))
            contenders = [one.id for one in looked.contenders.candidates]
            chosen, fallback = first_in_order(contenders, run.authors, plan, index), None
            aside, verdict = looked.set_aside, None
        else:
            ruling = await self.judged(run, plan, index, fanned.done, until, "served")
            run.rulings.append(ruling)
            chosen, fallback = ruling.chosen, ruling.fallback
            aside, verdict = ruling.set_aside, ruling.verdict
        if chosen is None or chosen not in answers:
            return None
        ranking: tuple[CandidateId, ...] = (chosen,)
        if run.request.n > 1:
            ranking = ranked(chosen, by_trust(answers, run.authors, plan, index), aside, verdict)
        candidate = Candidate(id=chosen, completion=answers[chosen])
        return Choice(candidate, run.authors[chosen], fallback, ranking)

    async def judged(
        self, run: Run, plan: Plan, index: int, panel: Sequence[Call], until: float, phase: Literal["served", "full"]
    ) -> Ruling:
        """As ``Engine.judged``."""
        name = plan.stages[index].judge
        assert name is not None  # noqa: S101 - for the type checker: whoever calls this has looked
        judge = self.judges[name]
        bench = Bench(name=name, judge=judge, fleet=self.fleet, means=self.means)
        ruling = await rule(run.request, panel, bench, plan, stage=index, phase=phase, until=until, seen=run.heard)
        paid = add(*(c.usage.nano_usd for c in run.calls if c.purpose == "judge" and c.stage == index))
        self.sittings.add(judge.digest, len(ruling.panel), paid, ruling.total_s)
        run.tell(Judged, ruling=ruling)
        return ruling

    def _accepted(self, run: Run, stage: Stage, choice: Choice) -> bool:
        if stage.accept_score <= 0 or not run.rulings:
            return True
        # A threshold was measured on the judge's own scores; weighed against the means of members they mean another.
        score = plain(run.rulings[-1].verdict).scores.get(choice.candidate.id)
        return score is not None and score >= stage.accept_score

    async def _serve(self, run: Run, plan: Plan, choice: Choice, afterwards: Afterwards) -> Answer:
        answered = tuple(call for call in run.calls if call.candidate and call.failure is None)
        completion = next(c.completion for c in answered if c.candidate == choice.candidate.id and c.completion)
        run.plan = plan = warned(plan, run.request.n, len(choice.ranking))
        record = self._record(run, "answered", choice=choice)
        try:
            await self._commit(run, record)
        except (StoreUnavailable, asyncio.CancelledError) as error:
            if isinstance(error, StoreUnavailable) and not isinstance(error.__cause__, TimeoutError):
                await cancel(run.at_work)
            else:  # the log has the record, or may have it yet: it lacks the calls that are still at work
                self.stragglers.own(afterwards.part(), to_the_end=True)
            raise
        for ruling in record.rulings:
            self.means.learn(finding_of(run.request.id, ruling, record.authors))
        answer = Answer(
            request=run.request,
            plan=plan,
            calls=record.calls,
            authors={call.candidate: call.member for call in answered if call.candidate},
            chosen=choice.candidate,
            member=choice.member,
            completion=completion,
            rulings=record.rulings,
            fallback=choice.fallback,
            late=tuple(seat.member for seat in run.late.values()),
            unjudged=run.behind is not None and plan.stages[0].judge is not None,
            ranking=record.ranking,
        )
        if run.behind is not None:
            self.stragglers.own(afterwards.follow(answer, run.behind))
        if run.late or (afterwards.plan.shadow and self.stragglers.room):
            self.stragglers.own(afterwards.finish(answer))
        watch = self.watches.get(run.request.model)
        if watch is not None and plan.shadow and self.stragglers.room:
            self.stragglers.own(watch.after(answer))
        run.tell(Finished, answer=answer)
        return answer

    async def _fail(self, run: Run, error: EnsembleError) -> None:
        try:
            await cancel(run.at_work)
        except asyncio.CancelledError:
            self.stragglers.own(self._bury(run, "failed", error), to_the_end=True)
            raise
        await self._commit(run, self._record(run, "failed", error=error))

    async def _bury(self, run: Run, status: Status, error: EnsembleError | None = None) -> None:
        """End what is at work for a request that nobody waits for any more, and record what it was."""
        await cancel(run.at_work)
        try:
            await self._commit(run, self._record(run, status, error=error))
        except StoreUnavailable:
            log.exception("request %s: the record of a %s request was lost", run.request.id, status)

    def _record(
        self, run: Run, status: Status, *, choice: Choice | None = None, error: EnsembleError | None = None
    ) -> Record:
        keep = self.routers[run.request.model].store_content
        return run.record(status, config=self.config, keep=keep, choice=choice, error=error)

    async def _commit(self, run: Run, record: Record) -> None:
        until = max(run.request.deadline, asyncio.get_running_loop().time() + COMMIT_S)
        try:
            with Deadline(until):
                await self.store.record(record)
        except StoreError as error:
            raise StoreUnavailable(f"the log cannot be written, so nothing is answered: {error}") from error
        except TimeoutError as error:
            told = "the log did not take the record before the deadline, so nothing is answered"
            raise StoreUnavailable(told) from error
