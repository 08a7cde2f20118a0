"""From finished calls to a ruling: an anonymous case, the judge's verdict on it, and who is served because of it."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from uuid_utils import uuid7

from ensemble import tracing
from ensemble.families import marked, recused, token
from ensemble.fleet import Fleet, Member, Seen
from ensemble.ledger import Aim
from ensemble.means import Means
from ensemble.reuse import TRANSPORT
from ensemble.store.content import dumps, messages_json
from ensemble.store.rows import prompt_hash
from ensemble.types import Call, Fallback, Plan, Purpose, Request, Ruling, VerdictId, answers_of
from judges.deadline import Deadline
from judges.judge import Judge
from judges.quick import maker, quick, replace
from judges.screen import screened
from judges.shrinkage import shrunk
from judges.types import Candidate, CandidateId, Case, Message, Model, OpaquePart, Prompt, Verdict
from judges.usage import total

log = logging.getLogger(__name__)
_candidate, _case, _ruling = maker(Candidate), maker(Case), maker(Ruling)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A judge with its name in the configuration, the fleet that it may consult, and what is known of its members."""

    name: str
    judge: Judge
    fleet: Fleet
    means: Means


class Models(Mapping[str, Model]):
    """Every member as a model for a judge or router, made when it is asked for."""

    def __init__(self, fleet: Fleet, request: Request, aim: Aim, seen: Seen, until: float) -> None:
        self._fleet, self._request, self._aim, self._seen, self._until = fleet, request, aim, seen, until

    def __getitem__(self, name: str) -> Model:
        return self._fleet[name].model_for(self._request, self._aim, seen=self._seen, until=self._until)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fleet)

    def __len__(self) -> int:
        return len(self._fleet)


def candidates_of(calls: Iterable[Call]) -> tuple[Candidate, ...]:
    """One candidate per call that brought an answer, as a judge sees it."""
    return tuple([_candidate(id=one, completion=said) for one, said in answers_of(calls).items()])


def case_of(request: Request, calls: Sequence[Call], fleet: Fleet) -> Case:
    """The anonymous case: order and family tokens say nothing of who wrote what.

    Every draw hangs on the seed. That of a prompt which is there for its labels alone comes from the prompt, so that
    labelling it anew finds the same; that of a served request comes from its id, which no client can choose.

    Of an author who is not in ``fleet``, such as that of an imported candidate, no family is known.
    """
    drawn_from = request.id if request.source == "served" else prompt_hash(request.prompt)
    seed = int.from_bytes(hashlib.sha256(drawn_from.encode()).digest()[:6])
    authors = {c.candidate: fleet[c.member].settings for c in calls if c.candidate is not None and c.member in fleet}
    candidates = sorted(candidates_of(calls), key=lambda c: hashlib.sha256(f"{seed}:{c.id}".encode()).digest())
    groups: dict[CandidateId, str] = {}
    comparable: list[CandidateId] = []
    for one in candidates:
        if (author := authors.get(one.id)) is not None:
            if author.family:
                groups[one.id] = token(seed, author.family)
            if author.comparable:
                comparable.append(one.id)
    return _case(
        messages=tuple([_readable(message) for message in request.prompt.messages]),
        candidates=tuple(candidates),
        seed=seed,
        tools=request.prompt.tools,
        tool_choice=request.prompt.tool_choice,
        response_format=request.prompt.response_format,
        reference=request.reference,
        groups=groups,
        comparable=frozenset(comparable),
    )


def case_key(case: Case) -> str:
    """SHA-256 (64 hex digits) over what a judge is shown: a case of the same key need not be judged again."""
    shown = sorted([(one.id, one.completion.text, one.completion.tool_calls) for one in case.candidates])
    tree: list[object] = [
        messages_json(case.messages).decode(),
        case.tools,
        case.response_format,
        case.reference,
        shown,
    ]
    if case.tool_choice not in (None, "auto", "none"):  # it decides who is set aside
        tree.append(case.tool_choice)
    # Part by part: a null inside one tree makes `dumps` go the slow way.
    told = b",".join([b"null" if part is None else b"[]" if part == () else dumps(part) for part in tree])
    return hashlib.sha256(b"[%b]" % told).hexdigest()


def call_key(member: Member, prompt: Prompt, purpose: Purpose = "judge") -> str:
    """SHA-256 (64 hex digits) over ``prompt`` as ``member`` gets it and what decides its answers (``Call.key``)."""
    ready, _ = member.prepare(prompt, purpose)
    return hashlib.sha256(f"{member.digest}:{prompt_hash(ready)}".encode()).hexdigest()


async def rule(
    request: Request,
    calls: Sequence[Call],
    bench: Bench,
    plan: Plan,
    *,
    stage: int,
    phase: Literal["served", "full"],
    until: float,
    seen: Seen,
    models: Callable[[Seen], Mapping[str, Model]] | None = None,
) -> Ruling:
    """Ask the judge about the candidates of ``calls`` and decide whom to serve. Never raises on a judge's failure.

    ``models`` makes what is asked in the place of the fleet's members, for whoever pays and records the questions
    himself; it is given whom to tell of every reply.
    """
    clock = asyncio.get_running_loop().time
    begin, started = clock(), datetime.now(UTC)
    case = case_of(request, calls, bench.fleet)
    looked = await screened(case)
    authors = {call.candidate: call.member for call in calls if call.candidate is not None}
    asked: set[str] = set()

    def heard(call: Call) -> None:
        if call.failure is None:
            asked.add(call.member)
        seen(call)

    aim = Aim(purpose="judge", seat=bench.name, stage=stage)
    consulted = models(heard) if models else Models(bench.fleet, request, aim, heard, until)
    verdict = marked(await _verdict(bench, looked.contenders, consulted, until), case, bench.fleet, asked)
    verdict = await _shrunk(verdict, looked.contenders, bench, authors)
    chosen, fallback = _choose(verdict, looked.contenders, authors, plan, stage)
    wanted = [*[member for member, _ in plan.stages[stage].seats()], *plan.shadow]
    panel = tuple([candidate.id for candidate in case.candidates])
    judged = {authors[one] for one in panel}
    # A repetition is no new evidence.
    reused = TRANSPORT in [call.transport for call in calls if call.failure is None]
    ruling = _ruling(
        id=VerdictId(str(uuid7())),
        stage=stage,
        judge=bench.name,
        phase=phase,
        verdict=verdict,
        chosen=chosen,
        started_at=started,
        total_s=clock() - begin,
        fallback=fallback,
        set_aside=looked.set_aside,
        complete=len(panel) >= len(wanted) and judged.issuperset(wanted),
        case_key=case_key(case),
        panel=panel,
        usable=fallback is None and len(judged) > 1 and looked.good >= plan.stages[stage].min_panel and not reused,
    )
    tracing.judged(ruling)
    return ruling


def overturning(ruling: Ruling, served: CandidateId) -> Ruling:
    """``ruling``, which came beside or after the answer ``served``, marked where it names another winner."""
    return replace(ruling, overturned=ruling.fallback is None and served not in ruling.verdict.winners)


def first_in_order(
    candidates: Iterable[CandidateId], authors: Mapping[CandidateId, str], plan: Plan, stage: int
) -> CandidateId | None:
    """The candidate whose member is most trusted."""
    return next(iter(by_trust(candidates, authors, plan, stage)), None)


def by_trust(
    candidates: Iterable[CandidateId], authors: Mapping[CandidateId, str], plan: Plan, stage: int
) -> list[CandidateId]:
    """The candidates in the plan's fallback order of their members, then in the stage's own."""
    order = [*plan.fallback, *plan.stages[stage].members, *plan.shadow]
    return sorted(candidates, key=lambda one: order.index(authors[one]))


def _choose(
    verdict: Verdict, contenders: Case, authors: Mapping[CandidateId, str], plan: Plan, stage: int
) -> tuple[CandidateId | None, Fallback | None]:
    judged = [one.id for one in contenders.candidates]
    if verdict.outcome in ("decided", "tie"):
        winners = [one for one in judged if one in verdict.winners]
        if len(winners) == len(verdict.winners):
            return first_in_order(winners, authors, plan, stage), None
    return first_in_order(judged, authors, plan, stage), "member_order"


async def _verdict(bench: Bench, case: Case, models: Mapping[str, Model], until: float) -> Verdict:
    """The finding of those seats that need not stand aside; of all of them where those find nothing."""
    aside = recused(bench.judge, case, bench.fleet) if bench.means.settings.recuse == "auto" else frozenset()
    verdict = await verdict_of(bench.judge, replace(case, recused=aside) if aside else case, models, until)
    if not aside or verdict.winners or asyncio.get_running_loop().time() >= until:
        return verdict
    again = await verdict_of(bench.judge, case, models, until)
    flags = tuple(dict.fromkeys((*again.flags, "recusal_lifted")))
    return replace(again, flags=flags, usage=total((verdict.usage, again.usage)))


async def _shrunk(verdict: Verdict, case: Case, bench: Bench, authors: Mapping[CandidateId, str]) -> Verdict:
    means, contenders = bench.means, {one.id: authors[one.id] for one in case.candidates}
    priors = means.priors(bench.judge.digest, contenders)
    if not priors:
        return verdict
    return await shrunk(verdict, replace(case, priors=priors), accuracy=means.settings.judge_accuracy)


def settled(judge: Judge, case: Case, outstanding: int) -> bool:
    """Whether ``outstanding`` further candidates could not change what ``judge`` finds; a bug of it ends no wait."""
    try:
        return judge.settled(case, outstanding)
    except Exception:
        log.exception("judge %s raised when asked whether more candidates could matter", judge.use)
        return False


async def verdict_of(judge: Judge, case: Case, models: Mapping[str, Model], until: float) -> Verdict:
    """What ``judge`` finds on ``case`` until ``until`` (the event loop's clock); its failures are verdicts too."""
    try:
        with Deadline(until):
            verdict = await judge.decide(case, models)
    except TimeoutError:
        return Verdict(judge=judge.digest, outcome="failed", reason="the judge had no verdict in time")
    except Exception as error:
        # A judge may be anybody's plugin. Its bug must not cost the client an answer: it is a failed verdict, logged.
        log.exception("judge %s raised", judge.use)
        return Verdict(judge=judge.digest, outcome="failed", reason=f"the judge raised {type(error).__name__}")
    known = {candidate.id for candidate in case.candidates}
    if not known.issuperset(verdict.winners):
        return replace(verdict, outcome="failed", winners=(), reason="the judge named a winner that is no candidate")
    return verdict


def _readable(message: Message) -> Message:
    """``message`` without provider state, which no judge can read and which tells its author."""
    if isinstance(message.content, str):
        return message
    return replace(message, content=tuple(part for part in message.content if not isinstance(part, OpaquePart)))
