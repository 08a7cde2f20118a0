"""How servers that call themselves OpenAI-compatible differ from OpenAI."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """The ways of one server.

    Attributes:
        usage, stream_usage: tells usage in whole answers, in streams that ask for it.
        usage_details: tells cached and reasoning tokens, too.
        logprobs: gives logprobs when asked.
        max_tokens: parameters that limit the answer, in the order in which they are read; others are ignored.
        refused: parameters that are answered with 400.
        finishes: other words for finish reasons.
        reasoning: the field of a message that carries the thoughts.
        model_prefix: put before the model id in answers.
        extra: fields that answers carry beside OpenAI's.
    """

    name: str = "openai"
    usage: bool = True
    stream_usage: bool = True
    usage_details: bool = True
    logprobs: bool = True
    max_tokens: tuple[str, ...] = ("max_completion_tokens", "max_tokens")
    refused: tuple[str, ...] = ()
    finishes: Mapping[str, str] = field(default_factory=dict)
    reasoning: str = "reasoning_content"
    model_prefix: str = ""
    extra: Mapping[str, object] = field(default_factory=dict)


PLAIN = Quirks()
