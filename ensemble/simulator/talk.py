"""What is asked of a simulated model and what it says, free of any provider's wire format."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ensemble.simulator import tokens

Finish = str
"""``stop``, ``length``, ``tool_calls``, ``refusal``, ``content_filter``; another word goes out as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """A tool call. ``arguments`` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message. ``answers`` is the id of the tool call whose result this turn is."""

    role: str
    text: str
    images: int = 0
    tool_calls: tuple[ToolUse, ...] = ()
    answers: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request for an answer.

    Attributes:
        tools: JSON Schema of the parameters by name of the tool.
        tool_choice: a tool's name, or ``auto``, ``required``, ``none``.
        schema: JSON Schema of the answer that is wanted; None for free text, an empty one for any JSON object.
        top_logprobs: alternatives wanted per token, None for no logprobs.
        thinks: think first, and tell the thoughts where the wire does.
        seed: the sample that the client wants repeated, None where it leaves that to us.
    """

    model: str
    turns: tuple[Turn, ...]
    stream: bool = False
    include_usage: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    tools: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    tool_choice: str = "auto"
    tool_tokens: int = 0
    schema: Mapping[str, object] | None = None
    top_logprobs: int | None = None
    seed: int | None = None
    temperature: float | None = None
    thinks: bool = False

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the whole conversation and of the tool definitions."""
        total = tokens.CONVERSATION_TOKENS + self.tool_tokens
        for turn in self.turns:
            total += tokens.MESSAGE_TOKENS + tokens.count(turn.text) + turn.images * tokens.IMAGE_TOKENS
            total += sum(tokens.count(use.name) + tokens.count(use.arguments) for use in turn.tool_calls)
        return total

    @property
    def question(self) -> str:
        """The text of the last turn by the user, empty where there is none."""
        return next((turn.text for turn in reversed(self.turns) if turn.role == "user"), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one answer. ``prompt`` counts cached and cache-written tokens too, ``completion`` reasoning tokens."""

    prompt: int
    completion: int
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a model answers.

    Attributes:
        refusal: a refusal in the field of its own that OpenAI has for it.
        reasoning: thoughts before the answer; they cost tokens.
        odds: probability per label of a verdict (``A``, ``B``, or a score), by the place in ``text`` where one stands;
            told where logprobs are asked for.
        sure: how sure the model feels of the whole text, in (0, 1), which its logprobs show; None for neither way.
        cached_tokens, cache_write_tokens: the part of the prompt that came from, went to the cache.
        model: the model id to return, None for the one that was asked.
        stopped_by: the client's stop string that ended it.
    """

    text: str = ""
    finish: Finish = "stop"
    tool_calls: tuple[ToolUse, ...] = ()
    refusal: str | None = None
    reasoning: str | None = None
    odds: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    sure: float | None = None
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    model: str | None = None
    stopped_by: str | None = None

    def usage(self, prompt_tokens: int) -> Usage:
        """The tokens of this answer to a prompt of ``prompt_tokens``."""
        reasoning = tokens.count(self.reasoning or "")
        spoken = tokens.count(self.text) + tokens.count(self.refusal or "")
        used = sum(tokens.count(use.name) + tokens.count(use.arguments) for use in self.tool_calls)
        return Usage(
            prompt=prompt_tokens,
            completion=reasoning + spoken + used,
            cached=self.cached_tokens,
            cache_write=self.cache_write_tokens,
            reasoning=reasoning,
        )

    def within(self, ask: Ask) -> "Said":
        """This answer cut at the first of the client's stop strings and at its token limit."""
        said = self
        ends = [(self.text.find(stop), stop) for stop in ask.stop if stop and stop in self.text]
        if ends:
            end, stop = min(ends)
            said = replace(said, text=said.text[:end], stopped_by=stop)
        if ask.max_tokens is None or said.usage(0).completion <= ask.max_tokens:
            return said
        thoughts = tokens.split(said.reasoning or "")[: ask.max_tokens]
        left = ask.max_tokens - len(thoughts)
        text = "".join(tokens.split(said.text)[:left])
        return replace(
            said,
            text=text,
            finish="length",
            reasoning="".join(thoughts) if said.reasoning is not None else None,
            refusal=None,
            # A tool call that does not fit is lost whole, as half of its JSON would be of no use.
            tool_calls=(),
        )


class Problem(Exception):
    """A request that is refused: an HTTP status and an error of the provider's shape.

    ``type`` None leaves it to the wire, ``retry_after_s`` is sent as Retry-After.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s
