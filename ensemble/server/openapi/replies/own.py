"""What is ours in every protocol: the ``ensemble`` object, the log, feedback, probes."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict  # the one of Python 3.11 hides which keys may be left out

Usd = Annotated[str, Field(pattern=r"^\d+\.\d+$", description="US dollars as exact decimal text")]


class Cost(TypedDict):
    """What the request has cost when its answer leaves; null where the price of a call is unknown."""

    usd: Usd | None
    panel_usd: Usd | None
    judge_usd: Usd | None
    router_usd: Usd | None
    known_usd: Usd
    unpriced_calls: int
    pending: list[str]


class Of(TypedDict):
    """A candidate and the member that wrote it."""

    candidate: str
    member: str | None


class Score(Of):
    """How good the judge found a candidate, in [0, 1]."""

    score: float


class Mean(Of):
    """How good a member's answers have been, in [0, 1]."""

    mean: float


class SetAside(Of):
    """A candidate that was not judged, and why."""

    reason: str


class PlainVerdict(TypedDict):
    """What the judge itself found, before it was weighed against logged means."""

    outcome: str
    winners: list[Of]
    confidence: float | None
    means: list[Mean]


class Verdict(TypedDict):
    """What the judge found of the candidates of a stage: of a cascade not always the one that was served."""

    judge: str
    stage: int
    outcome: str
    winners: list[Of]
    scores: list[Score]
    confidence: float | None
    reason: str
    flags: list[str]
    all_bad: bool | None
    own_family: bool | None
    plain: PlainVerdict | None
    set_aside: list[SetAside]


class CandidateCall(TypedDict):
    """A tool call as a candidate wrote it."""

    id: str
    name: str
    arguments: str


class CandidateUsage(TypedDict):
    """Tokens, null where unknown."""

    input_tokens: int | None
    output_tokens: int | None


class Candidate(TypedDict):
    """One answer of the panel. Its text was written by a model: escape it before display."""

    id: str
    member: str
    sample: int
    served: bool
    model: str | None
    seconds: float
    cost_usd: Usd | None
    finish_reason: str
    text: str
    tool_calls: list[CandidateCall]
    dropped: list[str]
    usage: CandidateUsage


class Report(TypedDict):
    """Who won, why, and what it has cost; in a reply that asked for a part of it or that carries a warning."""

    request_id: str
    winner: str
    fallback: str | None
    dropped: list[str]
    warnings: list[str]
    cost: Cost
    choices: NotRequired[list[Of]]
    verdict: NotRequired[Verdict | None]
    candidates: NotRequired[list[Candidate]]


class FailedCall(TypedDict):
    """A call for a candidate that brought none."""

    member: str
    sample: int
    attempt: int
    failure: str
    detail: str
    http_status: int | None


class Comparison(Report):
    """Every candidate, every failure, and the verdict."""

    id: str
    object: Literal["ensemble.comparison"]
    created: int
    router: str
    reason: str
    failures: list[FailedCall]


class FailedCandidate(TypedDict):
    """The last attempt at a member that failed."""

    member: str
    failure: str
    detail: str
    attempts: int
    http_status: int | None


Row = Annotated[dict[str, Any], Field(description="A row of the log; its columns are those of the table.")]


class Costs(TypedDict):
    """Whole nano-dollars of the calls whose price is known, and how many there are besides."""

    nano_usd: int
    unpriced: int


@with_config(extra="allow")
class LoggedRequest(TypedDict):
    """All that the log has about one request: the columns of its row, and the rows that belong to it."""

    id: str
    model: str
    status: str
    cost: Costs
    plan: Row | None
    calls: list[Row]
    candidates: list[Row]
    verdicts: list[Row]


class NotedFeedback(TypedDict):
    """What is stored; ``created`` is false where it was before."""

    id: str
    object: Literal["ensemble.feedback"]
    request_id: str | None
    conversation: str | None
    given_by: str
    rows: int
    created: bool


class Review(TypedDict):
    """An answer that waits for a person, or that one has decided; a ``blind`` one is for two, each on his own.

    ``disputed`` says that the two have found differently, which a third settles.
    """

    object: Literal["ensemble.review"]
    request_id: str
    created_at: str
    reason: str
    overturned: bool
    status: Literal["waiting", "claimed", "decided"]
    claimed_by: str | None
    claimed_until: str | None
    decided_by: str | None
    decided_at: str | None
    feedback_id: str | None
    blind: bool
    disputed: bool
    router: str


class SeatFinding(TypedDict):
    """What was found from one seat of a disputed case; who found it is told once the case is decided."""

    seat: int
    finding: Literal["preferred", "tie", "all_bad", "cannot_tell"]
    candidate: str | None
    comment: str | None
    given_by: str | None


class ShownCandidate(TypedDict):
    """A candidate as a judge sees it: without its author."""

    id: str
    text: str | None
    tool_calls: Any
    finish_reason: str | None


class ReviewCase(Review):
    """The same with what was asked and answered."""

    messages: Any
    candidates: list[ShownCandidate]
    findings: NotRequired[list[SeatFinding]]


class Reviews(TypedDict):
    """A page of the queue."""

    object: Literal["list"]
    data: list[Review]
    has_more: bool


class Decision(TypedDict):
    """What was found is stored as feedback; a blind one waits for the second or, where two differ, for a third."""

    object: Literal["ensemble.review"]
    request_id: str
    status: Literal["waiting", "decided"]
    decided_by: str
    feedback_id: str


class Health(TypedDict):
    """The process is alive."""

    status: Literal["ok"]


class RouterState(TypedDict):
    """How the watch over a router stands."""

    state: str
    since: str | None
    why: str


class Readiness(TypedDict):
    """Requests can be answered now."""

    status: Literal["ready"]
    config: dict[str, Any]
    routers: dict[str, RouterState]
    shared: NotRequired[Literal["ok", "degraded"]]
