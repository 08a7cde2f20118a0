"""The rows of ``ensemble.read``. Money is in nano-USD (1e-9 US dollars), times are UTC, and None is unknown."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRow:
    """Which members answered one request best; see ``ensemble.types.Label`` for what the words mean.

    Attributes:
        messages: the conversation, as objects with ``role`` and ``content``.
        best: members; ``scores``, ``spread``, ``nano_usd`` and ``total_s`` (seconds) are by member.
        propensities: probability per member with which it was drawn; empty if nothing was drawn.
        judged: members that the finding is on, those set aside among them; None where that was not stored.
        set_aside: why an answer lost before the judge saw it, by member.
        people: how many people said what is best, where ``source`` is human; ``agreed`` of them say this.
    """

    request_id: str
    arrived_at: datetime
    router: str
    messages: tuple[dict[str, object], ...]
    prompt_hash: str
    origin: str
    kind: str
    source: str
    judged_by: str
    judge: str | None
    phase: str | None
    confidence: float | None
    complete: bool
    usable: bool
    overturned: bool
    disagreement: float | None
    best: tuple[str, ...]
    scores: dict[str, float]
    spread: dict[str, float]
    nano_usd: dict[str, int | None]
    total_s: dict[str, float | None]
    propensities: dict[str, float]
    judged: tuple[str, ...] | None
    set_aside: dict[str, str]
    conversation: str | None
    tenant: str | None
    domain: str | None
    domain_by: str | None
    reference: str | None
    people: int = 0
    agreed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRow:
    """One answer of a member; ``chosen`` is the one that was served. Cost and time are those of the good attempt."""

    request_id: str
    id: str
    member: str
    purpose: str
    stage: int
    sample: int
    after_answer: bool
    chosen: bool
    text: str
    tool_calls: tuple[dict[str, object], ...]
    finish_reason: str
    origin: str
    prompt_hash: str
    member_digest: str | None
    started_at: datetime | None
    total_s: float | None
    input_tokens: int | None
    output_tokens: int | None
    nano_usd: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRow:
    """One finding of a judge; ``winners`` and ``scores`` are by candidate, ``best`` names the members that won."""

    id: str
    request_id: str
    parent: str | None
    judge: str | None
    judge_digest: str
    phase: str
    stage: int
    outcome: str
    winners: tuple[str, ...]
    best: tuple[str, ...]
    scores: dict[str, float]
    confidence: float | None
    fallback: str | None
    complete: bool
    usable: bool
    overturned: bool
    own_family: bool
    all_bad: bool
    disagreement: float | None
    flags: tuple[str, ...]
    weights: str | None
    reason: str
    started_at: datetime
    total_s: float
    nano_usd: int | None
    case_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """One attempt at a member: a line of the ledger. ``failure`` is None for a good one."""

    request_id: str
    id: str
    member: str
    purpose: str
    seat: str | None
    candidate_id: str | None
    stage: int
    sample: int
    attempt: int
    hedge: bool
    started_at: datetime
    total_s: float | None
    first_token_s: float | None
    failure: str | None
    detail: str
    finish_reason: str | None
    http_status: int | None
    model: str | None
    transport: str
    member_digest: str | None
    price: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    nano_usd: int | None
    provider_nano_usd: int | None
    after_answer: bool
    run: str | None
    batch: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackRow:
    """One thing that was said of an answer or a conversation; ``kind`` says which of the other fields hold it."""

    id: str
    request_id: str | None
    conversation: str | None
    kind: str
    candidate_id: str | None
    name: str | None
    value: float | None
    text: str | None
    given_by: str
    source: str
    key_id: str | None
    idempotency_key: str | None
    probability: float | None
    created_at: datetime
