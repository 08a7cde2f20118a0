"""The data of one request, from arrival to stored row. Units as in ``judges.types``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NewType

from ensemble.allowance import Allowance
from ensemble.answers import Kept
from judges.quick import quick
from judges.types import Candidate, CandidateId, Completion, Message, Prompt, Usage, Verdict

RequestId = NewType("RequestId", str)
"""A UUIDv7 made here; a provider's identifier is never a key."""
CallId = NewType("CallId", str)
"""A UUIDv7 of one attempt."""
VerdictId = NewType("VerdictId", str)
"""A UUIDv7 of one stored verdict."""

Failure = Literal[
    "timeout", "rate_limited", "overloaded", "unreachable", "unauthorized", "rejected", "bad_reply", "cut_stream",
    "oversized", "empty", "too_long", "skipped", "not_permitted", "over_budget", "unbounded", "cancelled",
]  # fmt: skip
Source = Literal["served", "label", "import"]
Phase = Literal["served", "full", "rejudged"]
Purpose = Literal["candidate", "shadow", "judge", "router"]
Fallback = Literal["member_order", "heuristic"]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asked, free of the dialect it asked in.

    ``deadline`` is a time of the event loop's clock (seconds); ``arrived_at`` is UTC. ``stream`` is recorded only.
    ``reference`` is a known right answer, which judges see and members do not. ``domain`` is the subject as the
    classifier with the digest ``domain_by`` named it; a tag or metadata entry of that name goes before it.
    ``repeats`` is the stored request whose answer is told once more: nobody is asked. ``allowance`` is what the caller
    may spend on it, None for no limit; ``kept`` holds answers that members may give once more, None for none. ``n`` is
    how many answers are wanted.
    """

    id: RequestId
    model: str
    prompt: Prompt
    arrived_at: datetime
    deadline: float
    stream: bool = False
    dialect: str = "library"
    conversation: str | None = None
    key_id: str | None = None
    tenant: str | None = None
    data_class: str | None = None
    user: str | None = None
    idempotency_key: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    source: Source = "served"
    reference: str | None = None
    domain: str | None = None
    domain_by: str | None = None
    repeats: RequestId | None = None
    allowance: Allowance | None = field(default=None, compare=False, repr=False)
    kept: Kept | None = field(default=None, compare=False, repr=False)
    n: int = 1


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One fan-out and the rule for being content with it.

    Attributes:
        members: fleet members to call at once, most trusted first.
        samples: answers wanted per member; 1 where a member is not named.
        judge: name of the judge, or None to take the first good candidate in the order of ``members``.
        quorum: good candidates that end the wait, or None to wait for all.
        grace_s: extra wait after the quorum, for stragglers that are nearly done.
        call_timeout_s: most seconds of one call, retries included; None for the request's deadline alone.
        straggler_s: how long calls may go on after the answer; 0 cancels them then.
        straggler_nano_usd: no straggler goes on once the known cost of the request has reached this; None for no cap.
        judge_reserve_s: time before the deadline that is kept for the judge; None for a fifth of what is left.
        accept_score: least score of the winner in [0, 1]; below it the plan's next stage runs.
        min_panel: least number of good candidates, of the demanded form, for a verdict to be trusted.
        hedge: ask again at the learned 95th percentile of latency.
        strict_params: leave out a member that does not take every parameter of the request.
        logprobs: ask members that give them for the logprobs of their answers, for the judge and the log; the client
            sees none that it did not ask for.
    """

    members: tuple[str, ...]
    samples: Mapping[str, int] = field(default_factory=dict)
    judge: str | None = None
    quorum: int | None = None
    grace_s: float = 0.0
    call_timeout_s: float | None = None
    straggler_s: float = 0.0
    straggler_nano_usd: int | None = None
    judge_reserve_s: float | None = None
    accept_score: float = 0.0
    min_panel: int = 1
    hedge: bool = False
    strict_params: bool = False
    logprobs: bool = False

    def seats(self) -> tuple[tuple[str, int], ...]:
        """Every (member, sample number from 0) that the stage calls, most trusted first."""
        if not self.samples:  # as nearly always
            return tuple([(member, 0) for member in self.members])
        return tuple([(member, sample) for member in self.members for sample in range(self.samples.get(member, 1))])


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a router decided.

    Routing is one stage with one member, an ensemble one stage with many, a cascade several stages in turn.

    Attributes:
        router: digest of the router.
        stages: run in order until one is accepted; the last is always accepted.
        fallback: members in the order in which to trust them when no judge decides; empty for the stage's own order.
        shadow: members called after the answer has gone out, for labels only.
        predicted: expected score per member in [0, 1], where the router estimates it.
        propensities: probability per member, shadow included, with which the router drew it; empty if deterministic.
            Of members that are judged in a drawn shadow alone it is the share of these, and where arms of a split have
            panels judged, the share of those that judge it.
        reason: one line for the audit trail.
        warnings: sentences that the client is told with the answer; the log has them in ``reason``.
    """

    router: str
    stages: tuple[Stage, ...]
    fallback: tuple[str, ...] = ()
    shadow: tuple[str, ...] = ()
    predicted: Mapping[str, float] = field(default_factory=dict)
    propensities: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    warnings: tuple[str, ...] = ()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One attempt at one member: a line of the ledger, whatever came of it.

    A failed call is data, not an exception, because partial failure is the normal case of a fan-out.

    Attributes:
        candidate: the candidate that this attempt was to make; None for a judge's or router's call.
        seat: which judge (by its name in the configuration) asked, for a judge's call.
        stage: index of the plan's stage.
        completion: what arrived; on failure the partial answer, or None.
        failure: what went wrong, or None for a good call.
        usage: tokens and cost, known on some failures too. ``nano_usd`` is 0 only where nothing can have been billed.
        member_digest: digest of what decided the answer (``Member.digest``), None where unknown.
        price: digest of the price row that was applied, None where the member has no price.
        transport: ``sdk`` or ``direct``; ``import`` of a call that somebody else made.
        total_s: None for one that was imported with no time, and for one of a batch: it says nothing of the member.
        detail: one sentence for the operator; holds no secret.
        unsupported: names for whose sake it was left out: by ``strict_params``, or ``messages`` without a question.
        hedge: the attempt was made beside a slow one that was still under way.
        after_answer: the attempt ended after the answer had gone out.
        key: of a judge's call, hash of its prompt with the member's digest; an equal key need not be paid again.
        run: labelling run that paid for it.
        batch: the provider's id of the batch that it was part of.
    """

    id: CallId
    request: RequestId
    member: str
    purpose: Purpose
    attempt: int
    started_at: datetime
    total_s: float | None
    candidate: CandidateId | None = None
    seat: str | None = None
    sample: int = 0
    stage: int = 0
    completion: Completion | None = None
    failure: Failure | None = None
    usage: Usage = Usage()
    member_digest: str | None = None
    price: str | None = None
    http_status: int | None = None
    provider_request_id: str | None = None
    transport: str = "sdk"
    detail: str = ""
    unsupported: tuple[str, ...] = ()
    hedge: bool = False
    after_answer: bool = False
    key: str | None = None
    run: str | None = None
    batch: str | None = None

    @property
    def good(self) -> bool:
        """A complete answer that a quorum may count: no failure, no refusal, no length stop."""
        said = self.completion
        if self.failure is not None or said is None or said.finish_reason not in ("stop", "tool_calls"):
            return False
        return bool(said.text.strip() or said.tool_calls)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A verdict with the circumstances that a judge may not know: a row of ``verdicts``.

    Attributes:
        judge: name of the judge in the configuration.
        phase: ``served`` chose the answer; ``full`` counts the stragglers and shadow members too; ``rejudged`` is a
            later finding beside these, from which no label is made unless it is asked for.
        chosen: the candidate that this ruling makes the answer; None where nothing could be chosen.
        fallback: the rule that chose because the judge did not decide, or None.
        set_aside: why candidates lost before the judge saw them, by candidate.
        complete: every member of the plan has a candidate that was judged.
        overturned: a full ruling that names another winner than the served one.
        usable: a router may learn from it.
        case_key: digest of the case as judged; with the judge's digest it says what need not be judged again.
        panel: the candidates that were judged, those set aside included.
    """

    id: VerdictId
    stage: int
    judge: str
    phase: Phase
    verdict: Verdict
    chosen: CandidateId | None
    started_at: datetime
    total_s: float
    fallback: Fallback | None = None
    set_aside: Mapping[CandidateId, str] = field(default_factory=dict)
    complete: bool = False
    overturned: bool = False
    usable: bool = False
    disagreement: float | None = None
    case_key: str | None = None
    panel: tuple[CandidateId, ...] = ()


def answers_of(calls: Iterable[Call]) -> dict[CandidateId, Completion]:
    """The answer of each call that brought one, partial ones of failed calls left out."""
    return {
        call.candidate: call.completion
        for call in calls
        if call.failure is None and call.completion is not None and call.candidate is not None
    }


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is served, and everything that led to it.

    ``authors`` maps each candidate to its member; ``rulings`` holds one per judged stage, the last one decided.
    ``fallback`` says which rule chose when the judge did not decide; None when it did. ``late`` names members that were
    still at work when the answer left. Where several are served, ``ranking`` holds them, ``chosen`` first.
    ``unjudged``: the verdict on what a leader streamed is still to come.
    """

    request: Request
    plan: Plan
    calls: tuple[Call, ...]
    authors: Mapping[CandidateId, str]
    chosen: Candidate
    member: str
    completion: Completion
    rulings: tuple[Ruling, ...] = ()
    fallback: Fallback | None = None
    late: tuple[str, ...] = ()
    unjudged: bool = False
    ranking: tuple[CandidateId, ...] = ()

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """One per call that brought an answer, as a judge sees it."""
        return tuple([Candidate(id=one, completion=said) for one, said in answers_of(self.calls).items()])

    @property
    def choices(self) -> tuple[Completion, ...]:
        """What is served, the best first; ``completion`` is the first."""
        if len(self.ranking) < 2:
            return (self.completion,)
        made = {call.candidate: call.completion for call in self.calls if call.failure is None}
        further = (made[one] for one in self.ranking[1:])
        return (self.completion, *(said for said in further if said is not None))

    @property
    def verdict(self) -> Verdict | None:
        """The verdict that decided, or None where no judge was asked."""
        return self.rulings[-1].verdict if self.rulings else None

    @property
    def text(self) -> str:
        """The text that is served."""
        return self.completion.text


Status = Literal["answered", "failed", "cancelled", "stored", "streaming"]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Everything about one request that is committed before its answer leaves, good or bad.

    Attributes:
        status: ``stored`` for a prompt that is in the log for its labels alone and was never answered; ``streaming``
            for one whose leader begins to speak: how it ended is told by another record, unless the process dies.
        plan: None where no plan could be made.
        calls: the ledger so far, every attempt at every purpose.
        authors: member of every candidate, in the order of the stages.
        ranking: the candidates that are served, the best first, where several are.
        answered_s: seconds from arrival to the decision.
        error: code of the error that the client got, with ``error_detail`` as its sentence.
        config: digest of the configuration in force.
        keep: its texts are stored; else only their hash, numbers and names are.
        review: why a person is to look at the answer; it goes into the queue in the same transaction.
        begun: a record that said ``streaming`` came before; this one takes its place.
    """

    request: Request
    status: Status
    plan: Plan | None
    calls: tuple[Call, ...]
    authors: Mapping[CandidateId, str]
    rulings: tuple[Ruling, ...]
    chosen: CandidateId | None
    fallback: Fallback | None
    answered_s: float
    config: str
    error: str | None = None
    error_detail: str = ""
    keep: bool = True
    begun: bool = False
    ranking: tuple[CandidateId, ...] = ()
    review: str | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """What came after the answer: more lines of the ledger, more candidates, at most one more ruling.

    ``settled`` names the reservations whose calls are among ``calls``: they go in the same transaction. ``asked`` holds
    lines that are stored already and stand behind exchanges of ``ruling``. ``router`` is for counters alone.
    """

    request: RequestId
    calls: tuple[Call, ...]
    authors: Mapping[CandidateId, str]
    router: str = ""
    ruling: Ruling | None = None
    settled: tuple[str, ...] = ()
    asked: tuple[Call, ...] = ()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Which members answered one request best: one training example.

    Attributes:
        best: members in the winning set; several for a tie, none if the label is unusable.
        scores: quality per member in [0, 1], where it was scored.
        nano_usd: cost per member; None where the price is unknown.
        total_s: latency per member, seconds.
        kind: how the label came to be.
        source: what kind of evaluator decided, and ``by`` which one (a judge's digest, a person's alias).
        complete: every member of the plan and its shadow was judged; only then is routing accuracy exact.
        usable: a router may learn from it.
        propensities: probability per member with which it was drawn; empty if the plan was deterministic.
        spread: standard deviation of the scores of a member's samples, where it has several.
        origin: how the prompt came into the log.
        arrived: when the request came, UTC as text in the order of time; "" where unknown.
        people: how many people said what is best, where ``source`` is human; ``agreed`` of them say this.
    """

    request: RequestId
    messages: tuple[Message, ...]
    best: frozenset[str]
    scores: Mapping[str, float]
    nano_usd: Mapping[str, int | None]
    total_s: Mapping[str, float]
    kind: Literal["full", "early", "fallback", "own_family", "all_bad"]
    source: Literal["judge", "human", "reference"]
    by: str
    confidence: float | None
    complete: bool
    usable: bool
    conversation: str | None = None
    domain: str | None = None
    propensities: Mapping[str, float] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)
    origin: Source = "served"
    arrived: str = ""
    people: int = 0
    agreed: int = 0
