"""The nouns that both floors share.

Plain frozen data: no I/O, no imports from this project. Units are in the names: ``_s`` is seconds, ``_tokens`` is
tokens, ``nano_usd`` is 1e-9 US dollars as an exact integer. ``None`` always means *unknown* and is never read as zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal, NewType, Protocol, runtime_checkable

from judges.quick import maker, quick

CandidateId = NewType("CandidateId", str)
"""Identity of one candidate inside one case; opaque, and never derived from the name of the model that wrote it."""

Outcome = Literal["decided", "tie", "abstained", "failed"]
Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "refusal", "other"]

_LEAST_WINNERS: Mapping[Outcome, int] = {"decided": 1, "tie": 2, "abstained": 0, "failed": 0}


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    """A piece of text inside a message."""

    text: str
    type: Literal["text"] = "text"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePart:
    """An image by address: ``https:`` or ``data:``; ``detail`` as the client sent it."""

    url: str
    detail: str | None = None
    type: Literal["image"] = "image"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """A file exactly as the client sent it, in the client's own wire shape."""

    data: Mapping[str, object]
    type: Literal["file"] = "file"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OpaquePart:
    """Provider state (a thinking block, a reasoning item) that only ``origin``, the member that made it, can read."""

    origin: str
    data: Mapping[str, object]
    type: Literal["opaque"] = "opaque"


Part = TextPart | ImagePart | FilePart | OpaquePart


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call that a model asks for. ``arguments`` is JSON text as the model wrote it, valid or not."""

    id: str
    name: str
    arguments: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation.

    Attributes:
        failed: the turn of a tool tells of an error.
        cache_control: Anthropic's marker after this turn: what stands before it may be kept in the provider's cache.
    """

    role: Role
    content: str | tuple[Part, ...] = ""
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    failed: bool = False
    cache_control: Mapping[str, object] | None = None

    @property
    def text(self) -> str:
        """The text of the turn; parts that are not text are left out."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFormat:
    """The form that the client demands of the answer; ``schema`` is a JSON Schema, None for "any JSON object"."""

    type: Literal["json_object", "json_schema"]
    schema: Mapping[str, object] | None = None
    name: str = "answer"
    strict: bool | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What is asked of a model.

    Attributes:
        tools: tool definitions in OpenAI's function shape (``{"type": "function", "function": {...}}``).
        tool_choice: OpenAI's ``tool_choice``, or None where the client named none.
        top_logprobs: alternatives wanted per output token (0 to 20), or None for no logprobs.
        options: the remaining sampling options by their wire names (``temperature``, ``top_p``, ...); what only one
            wire format has stands under the name of that format.
    """

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, object], ...] = ()
    tool_choice: str | Mapping[str, object] | None = None
    response_format: ResponseFormat | None = None
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    top_logprobs: int | None = None
    options: Mapping[str, object] = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens and money of one model call, as the provider reported them.

    ``input_tokens`` counts cached and cache-written tokens too; ``output_tokens`` counts reasoning tokens too.
    ``nano_usd`` is our own price, ``provider_nano_usd`` the cost that the provider itself stated.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    image_tokens: int | None = None
    nano_usd: int | None = None
    provider_nano_usd: int | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogprob:
    """One output token with its natural logarithm of probability, and the alternatives ``top`` (token, logprob)."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a model answered.

    Attributes:
        logprobs: one per output token, or None where the provider gives none.
        model: the model id that the provider returned, which may differ from the one asked for.
        first_token_s: seconds to the first token, known only where the answer was streamed.
        stop_sequence: the one of ``Prompt.stop`` that ended the answer, where the provider tells it.
        reasoning: provider state to hand back to the same member on a later turn.
        dropped: wire names of parameters that this provider or model does not take and that were not sent.
        partial: the answer was cut off by a failure; ``text`` is what had arrived.
    """

    text: str
    finish_reason: FinishReason
    tool_calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] | None = None
    usage: Usage = Usage()
    model: str | None = None
    system_fingerprint: str | None = None
    provider_request_id: str | None = None
    first_token_s: float | None = None
    stop_sequence: str | None = None
    reasoning: tuple[OpaquePart, ...] = ()
    dropped: tuple[str, ...] = ()
    partial: bool = False


_completion = maker(Completion)


class Model(Protocol):
    """A model that a judge may consult. The caller owns its rate limits, retries and ledger."""

    @property
    def context_tokens(self) -> int | None:
        """Most tokens that prompt and answer may have together; None where unknown."""
        ...

    async def complete(self, prompt: Prompt) -> Completion:
        """Answer ``prompt``.

        There is no timeout argument: wrap the call in ``asyncio.timeout``. Cancelling it closes the connection.

        Raises:
            ModelError: the call failed after every retry that its policy allows.
        """
        ...


@runtime_checkable
class Patient(Protocol):
    """A model that may answer hours later, since its questions are handed over in bulk."""

    @property
    def patient(self) -> bool:
        """Whether no limit of time makes sense."""
        ...


def patient(model: Model) -> bool:
    """Whether whoever asks ``model`` has to wait for as long as it takes."""
    # By name, since `isinstance` of a protocol looks at every attribute, and this is asked for every call.
    return bool(getattr(model, "patient", False))


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One model's output, stripped of provenance: a judge cannot favour a name that it was never given.

    Whatever tells the author apart (model id, fingerprint, request id, price, timing, reasoning state) is removed from
    ``completion`` on construction, so blindness does not depend on the care of the caller.
    """

    id: CandidateId
    completion: Completion

    def __post_init__(self) -> None:
        said = self.completion
        blind = _completion(
            text=said.text,
            finish_reason=said.finish_reason,
            tool_calls=said.tool_calls,
            logprobs=said.logprobs,
            partial=said.partial,
        )
        object.__setattr__(self, "completion", blind)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a judge decides on: a conversation and the candidates that would continue it.

    Attributes:
        reference: a known right answer, where there is one.
        seed: fixes every shuffle made while judging, so that a stored case can be judged again bit for bit.
        tools: the tools that the candidates could call.
        tool_choice: OpenAI's ``tool_choice``, or None where the client named none.
        response_format: the form that the client demanded.
        groups: an opaque token per candidate; equal tokens come from one family of models.
        priors: logged mean quality in [0, 1] per candidate's author, where enough labels exist.
        comparable: candidates whose authors are about equally good, the only ones that consensus may count.
        recused: names of models that stand aside, since their family wrote a candidate; a panel does not hear their
            seats. Whoever knows the families decides, and names none unless another seat is left.
    """

    messages: tuple[Message, ...]
    candidates: tuple[Candidate, ...]
    reference: str | None = None
    seed: int = 0
    tools: tuple[Mapping[str, object], ...] = ()
    tool_choice: str | Mapping[str, object] | None = None
    response_format: ResponseFormat | None = None
    groups: Mapping[CandidateId, str] = field(default_factory=dict)
    priors: Mapping[CandidateId, float] = field(default_factory=dict)
    comparable: frozenset[CandidateId] = frozenset()
    recused: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if len({candidate.id for candidate in self.candidates}) != len(self.candidates):
            raise ValueError("Case.candidates: two candidates have the same id; give each its own")


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One question to a judge model and its raw answer, as they were.

    Attributes:
        prompt: name and SHA-256 of the prompt file (``pairwise@1f3a...``).
        model: name under which the judge consulted the model.
        shown: candidates in the order in which they stood on the page.
        text: the raw answer; a model wrote it, so escape it before display. Empty where the call failed.
        parsed: which reading of the answer was used (``label:last``, ...), or None where none fitted.
        error: why there is no usable answer, or None.
        attempt: 1 for the first question, 2 for the retry after an empty or truncated answer.
    """

    prompt: str
    model: str
    shown: tuple[CandidateId, ...]
    text: str
    finish_reason: FinishReason | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    parsed: str | None = None
    error: str | None = None
    attempt: int = 1
    usage: Usage = Usage()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """One comparison with the order on the page: ``shown[0]`` stood first.

    ``outcome`` is "none" where the judge gave no verdict, which is never a tie. ``strength`` is in (0, 1], None where
    the judge states none; ``exchange`` is the index in ``Verdict.exchanges`` of the answer behind it.
    """

    shown: tuple[CandidateId, CandidateId]
    outcome: Literal["first", "second", "tie", "none"]
    strength: float | None = None
    exchange: int | None = None

    @property
    def winner(self) -> CandidateId | None:
        """The preferred candidate; None for a tie and for no verdict."""
        if self.outcome == "first":
            return self.shown[0]
        return self.shown[1] if self.outcome == "second" else None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The finding of one judge, or of a jury, on one case.

    Attributes:
        judge: digest of the judge's configuration: equal digests judged by equal rules.
        outcome: ``decided`` names one winner; ``tie`` names several; ``abstained`` and ``failed`` name none.
        winners: the best candidates, in the order of the case.
        scores: quality in [0, 1], higher is better; a candidate that is missing was not scored.
        confidence: calibrated probability that ``winners`` holds the best candidate, or None if uncalibrated.
        preferences: the comparisons behind the finding, both orders where both were asked.
        ballots: the verdicts that a jury combined; empty for a single judge.
        exchanges: every question to a judge model with its raw answer, in the order asked.
        flags: what a reviewer should know (``flipped``, ``suspicious:<candidate>``, ...); never a reason to drop.
        own_family: the judge belongs to the family of one of the candidates.
        all_bad: no candidate is acceptable in absolute terms; ``winners`` then names the least bad.
        weights: version of the weights with which ballots were combined, and of the calibration behind ``confidence``.
        reason: why, in the judge's words, or what went wrong. Written by a model: escape it before display.
        usage: what the judging cost, ballots included.
    """

    judge: str
    outcome: Outcome
    winners: tuple[CandidateId, ...] = ()
    scores: Mapping[CandidateId, float] = field(default_factory=dict)
    confidence: float | None = None
    preferences: tuple[Preference, ...] = ()
    ballots: tuple["Verdict", ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    flags: tuple[str, ...] = ()
    own_family: bool = False
    all_bad: bool = False
    weights: str | None = None
    reason: str = ""
    usage: Usage = Usage()

    def __post_init__(self) -> None:
        least = _LEAST_WINNERS[self.outcome]
        most = len(self.winners) if self.outcome == "tie" else least
        if not least <= len(self.winners) <= most:
            raise ValueError(f"Verdict.winners: {self.outcome!r} cannot name {len(self.winners)} winners")
        sure = self.confidence is None or isfinite(self.confidence)
        if not (sure and all(map(isfinite, self.scores.values()))):
            raise ValueError("Verdict: a score and a confidence are finite; leave out what is not known")
