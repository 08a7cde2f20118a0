"""A router asked for its plans on labelled requests, and what those plans would have got; no member is called.

A plan is carried out on the labels: of members that are called at once the one that the label finds best is served, of
equals the first in the plan's order, every call is paid, and the slowest answer that is waited for is the latency. A
stage is accepted by its judge's score where the judge needs no model and the answers were kept, else by the label's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from ensemble.errors import CallFailed, EnsembleError, RouterError
from ensemble.fleet import Fleet, Member, MemberSettings
from ensemble.limits import Limiter
from ensemble.provider import Delta
from ensemble.router import Context, Router
from ensemble.store.examples import Example
from ensemble.training.accuracy import costs
from ensemble.training.held import Held
from ensemble.training.table import BoolArray, FloatArray
from ensemble.types import Plan, Request, Stage
from judges.judge import Judge
from judges.registry import ModelName
from judges.types import Candidate, CandidateId, Case, Completion, Model, Prompt, Verdict

AT_ONCE = 16
"""Plans that are made at a time: routers that ask a model or a thread would otherwise take turns."""


class Offline:
    """The connection of a fleet that is only planned with."""

    transport = "offline"

    async def complete(self, model: str, prompt: Prompt) -> Completion:
        raise CallFailed("no model is called while routers are evaluated", failure="unreachable")

    async def stream(self, model: str, prompt: Prompt) -> AsyncIterator[Delta | Completion]:
        yield await self.complete(model, prompt)


def offline_fleet(settings: Mapping[str, MemberSettings]) -> Fleet:
    """Members that routers can look at and that nobody can call."""
    free = Limiter(requests_per_minute=None, tokens_per_minute=None, max_in_flight=None)
    return {name: Member(name, one, Offline(), free) for name, one in settings.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replayed:
    """What one router did on n requests over m members.

    Attributes:
        choice: (n, m), 1 for the member whose answer is served; all 0 in a row without a plan.
        called: (n, m) whom it called for the answer.
        nano_usd: n, all calls, judging left out; NaN where the cost of a member is unknown.
        seconds: n, until the answer; NaN where a time is unknown.
        predicted: (n, m) quality as the router predicts it, NaN where it does not.
        problems: why a request has no plan, by row.
        judged: rows on which a judge of the plan would have been asked, whose cost is in no figure here.
        trust: the router has a ``trust`` table, whose ways out were not taken: labels do not hold the verdicts that it
            goes by.
    """

    name: str
    digest: str
    choice: FloatArray
    called: BoolArray
    nano_usd: FloatArray
    seconds: FloatArray
    predicted: FloatArray
    problems: Mapping[int, str] = field(default_factory=dict)
    judged: int = 0
    trust: bool = False


Models = Callable[[Request], Mapping[str, Model]]
"""What a router may ask about one request; nothing by default."""


def nothing(request: Request) -> Mapping[str, Model]:
    """No model."""
    return {}


async def replay(
    name: str,
    router: Router,
    held: Held,
    fleet: Fleet,
    *,
    judges: Mapping[str, Judge] | None = None,
    models: Models = nothing,
) -> Replayed:
    """Let ``router`` plan every request of ``held`` and carry the plans out on the labels.

    ``router`` must be loaded. Nothing is stored.
    """
    gate = asyncio.Semaphore(AT_ONCE)
    plans: list[Plan | str] = [""] * len(held)

    async def one(row: int, example: Example) -> None:
        async with gate:
            request = _request(name, example)
            try:
                async with asyncio.timeout(router.deadline_s):
                    plans[row] = await router.plan(request, Context(fleet=fleet, models=models(request)))
            except RouterError as error:
                plans[row] = str(error) if not router.fallback else _fallback(router)
            except EnsembleError as error:  # what a client would be told, such as of metadata that are none
                plans[row] = str(error)
            except TimeoutError:
                plans[row] = f"no plan within {router.deadline_s:g} s"

    async with asyncio.TaskGroup() as group:
        for row, example in enumerate(held.examples):
            group.create_task(one(row, example))
    found = await _carried_out(name, router.digest, held, plans, judges or {})
    return replace(found, trust=router.trust is not None)


def _request(name: str, example: Example) -> Request:
    label = example.label
    arrived = datetime.fromisoformat(label.arrived) if label.arrived else datetime.fromtimestamp(0, UTC)
    return Request(
        id=label.request,
        model=name,
        prompt=example.prompt,
        arrived_at=arrived if arrived.tzinfo else arrived.replace(tzinfo=UTC),
        deadline=asyncio.get_running_loop().time() + 3600,
        conversation=label.conversation,
        tags=example.tags,
        metadata=example.metadata,
        domain=label.domain,
    )


def _fallback(router: Router) -> Plan:
    stages = tuple(Stage(members=(member,)) for member in router.fallback[:1])
    return Plan(router=router.digest, stages=stages, reason="fallback")


async def _carried_out(
    name: str, digest: str, held: Held, plans: Sequence[Plan | str], judges: Mapping[str, Judge]
) -> Replayed:
    n, m = held.table.quality.shape
    choice, called = np.zeros((n, m)), np.zeros((n, m), dtype=np.bool_)
    nano, seconds, predicted = np.full(n, np.nan), np.full(n, np.nan), np.full((n, m), np.nan)
    price = np.where(np.isinf(found := costs(held.table)), np.nan, found)
    problems: dict[int, str] = {}
    judged = 0
    for row, plan in enumerate(plans):
        if isinstance(plan, str):
            problems[row] = plan
            continue
        for place, member in enumerate(held.table.members):
            predicted[row, place] = plan.predicted.get(member, np.nan)
        try:
            walked = await _walk(held, row, plan, judges)
        except LookupError as error:
            problems[row] = str(error.args[0])
            continue
        choice[row, walked.winner] = 1.0
        for place, samples in walked.paid:
            called[row, place] = True
            nano[row] = (0.0 if np.isnan(nano[row]) else nano[row]) + samples * price[row, place]
        if any(np.isnan(price[row, place]) for place, _ in walked.paid):
            nano[row] = np.nan
        seconds[row] = walked.seconds
        judged += walked.judged
    return Replayed(
        name=name,
        digest=digest,
        choice=choice,
        called=called,
        nano_usd=nano,
        seconds=seconds,
        predicted=predicted,
        problems=problems,
        judged=judged,
    )


@dataclass(slots=True, kw_only=True)
class _Walk:
    """One plan carried out: the member served, what was paid (member, samples), and how long it took."""

    winner: int = -1
    paid: list[tuple[int, int]] = field(default_factory=list)
    seconds: float = 0.0
    judged: bool = False


async def _walk(held: Held, row: int, plan: Plan, judges: Mapping[str, Judge]) -> _Walk:
    """Raises LookupError with a sentence where the labels do not tell what the plan would get."""
    walk = _Walk()
    table = held.table
    for index, stage in enumerate(plan.stages):
        places = [_place(table.members, member) for member in stage.members]
        unknown = [table.members[place] for place in places if np.isnan(table.quality[row, place])]
        if unknown:
            raise LookupError(f"the label does not say how good {', '.join(unknown)} is")
        walk.paid += [(place, stage.samples.get(table.members[place], 1)) for place in places]
        present, waited = _arrived(stage, table.seconds[row], places)
        walk.seconds += waited
        last = index == len(plan.stages) - 1
        verdict = None
        if stage.judge is not None and (len(present) > 1 or stage.accept_score > 0):
            walk.judged = True
            judge = judges.get(stage.judge)
            verdict = await _offline(judge, held.examples[row], stage, present, table.members) if judge else None
        walk.winner, score = _winner(table.quality[row], present, verdict, stage, plan, table.members)
        if last or stage.judge is None or score >= stage.accept_score:
            return walk
    raise LookupError("the plan has no stage")


def _place(members: Sequence[str], member: str) -> int:
    if member not in members:
        raise LookupError(f"the labels say nothing of {member}")
    return members.index(member)


def _arrived(stage: Stage, seconds: FloatArray, places: list[int]) -> tuple[list[int], float]:
    """Who is there when the stage stops waiting, in the stage's order, and when that is."""
    times = seconds[places]
    if stage.quorum is None or stage.quorum >= len(places) or np.isnan(times).any():
        return places, float(times.max())
    end = float(np.sort(times)[stage.quorum - 1]) + stage.grace_s
    present = [place for place in places if seconds[place] <= end]
    return present, min(end, float(times.max()))


async def _offline(
    judge: Judge, example: Example, stage: Stage, present: list[int], members: Sequence[str]
) -> Verdict | None:
    """What a judge that asks no model finds on the stored answers; None where it asks one, or an answer is missing."""
    if any(stage.samples.get(members[place], 1) > 1 for place in present):
        return None  # of each member one answer was kept
    said = {members[place]: example.completion(members[place]) for place in present}
    if asks(judge):
        return None
    candidates = tuple(Candidate(id=CandidateId(name), completion=one) for name, one in said.items() if one is not None)
    if len(candidates) < len(said):
        return None
    case = Case(messages=example.messages, candidates=candidates, response_format=example.prompt.response_format)
    verdict = await judge.decide(case, {})
    return replace(verdict, reason="") if verdict.outcome in ("decided", "tie") or verdict.scores else None


def asks(judge: Judge) -> bool:
    """Whether a judge, or a part of it, names a model that it asks."""
    return any(isinstance(name, ModelName) for _, name in judge.references())


def _winner(
    quality: FloatArray,
    present: list[int],
    verdict: Verdict | None,
    stage: Stage,
    plan: Plan,
    members: Sequence[str],
) -> tuple[int, float]:
    """The member that is served, and the score that decides whether the stage is accepted."""
    order = [*plan.fallback, *stage.members]
    trusted = sorted(present, key=lambda place: order.index(members[place]))
    if verdict is not None and verdict.outcome in ("decided", "tie"):
        winner = next(place for place in trusted if members[place] in verdict.winners)
        return winner, verdict.scores.get(CandidateId(members[winner]), 0.0)
    if stage.judge is None and len(present) > 1:
        return trusted[0], float(quality[trusted[0]])
    winner = min(trusted, key=lambda place: (-quality[place], trusted.index(place)))
    score = verdict.scores.get(CandidateId(members[winner])) if verdict else None
    return winner, float(quality[winner]) if score is None else score
