"""How servers that call themselves OpenAI-compatible differ from OpenAI, each under a path of its own.

Drawn from their public documentation and from what clients report; a server of another version may behave otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """The ways of one server.

    Attributes:
        path: the base URL's path.
        usage: whole answers tell it. ``stream_usage``: streams do ``asked``, ``always``, in ``every_chunk``, ``never``.
        usage_details: tells cached and reasoning tokens, too.
        reasoning_outside: reasoning tokens are in ``total_tokens`` and not in ``completion_tokens``.
        cost: usage carries the price in USD.
        logprobs: gives logprobs when asked.
        max_tokens: parameters that limit the answer, in the order in which they are read; others are ignored.
        refused: parameters that are answered with 400.
        finishes: other words for finish reasons.
        reasoning: the field of a message that carries the thoughts; None tells none.
        model_prefix: put before the model id.
        extra, choice_extra: fields that answers, choices carry beside OpenAI's.
        opening_chunk: fields of a first chunk without choices.
        comment: a comment line at the head of a stream.
        error_list: an error is a list of one.
    """

    name: str = "openai"
    path: str = "/v1"
    usage: bool = True
    stream_usage: str = "asked"
    usage_details: bool = True
    reasoning_outside: bool = False
    cost: bool = False
    logprobs: bool = True
    max_tokens: tuple[str, ...] = ("max_completion_tokens", "max_tokens")
    refused: tuple[str, ...] = ()
    finishes: Mapping[str, str] = field(default_factory=dict)
    reasoning: str | None = None
    model_prefix: str = ""
    extra: Mapping[str, object] = field(default_factory=dict)
    choice_extra: Mapping[str, object] = field(default_factory=dict)
    opening_chunk: Mapping[str, object] = field(default_factory=dict)
    comment: str | None = None
    error_list: bool = False


PLAIN = Quirks()
_SAFE = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
_PROMPT_SAFE = {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": _SAFE}]}
SERVERS = (
    PLAIN,
    Quirks(
        name="azure",
        path="/azure/openai/v1",
        refused=("max_tokens",),
        max_tokens=("max_completion_tokens",),
        extra=_PROMPT_SAFE,
        choice_extra={"content_filter_results": _SAFE},
        opening_chunk={"id": "", "created": 0, "model": "", **_PROMPT_SAFE},
    ),
    Quirks(
        name="openrouter",
        path="/openrouter/api/v1",
        stream_usage="always",
        cost=True,
        reasoning="reasoning",
        model_prefix="simulated/",
        extra={"provider": "Simulated"},
        choice_extra={"native_finish_reason": "STOP"},
        comment=": OPENROUTER PROCESSING",
    ),
    Quirks(
        name="gemini",
        path="/gemini/v1beta/openai",
        stream_usage="every_chunk",
        usage_details=False,
        reasoning_outside=True,
        logprobs=False,
        model_prefix="models/",
        error_list=True,
    ),
    Quirks(
        name="vllm",
        path="/vllm/v1",
        usage_details=False,
        reasoning="reasoning_content",
        finishes={"content_filter": "abort"},
        extra={"prompt_logprobs": None, "kv_transfer_params": None},
        choice_extra={"stop_reason": None},
    ),
    Quirks(
        name="ollama",
        path="/ollama/v1",
        stream_usage="never",
        usage_details=False,
        logprobs=False,
        max_tokens=("max_tokens",),
        reasoning="reasoning",
        finishes={"content_filter": "stop", "tool_calls": "stop"},
        extra={"system_fingerprint": "fp_ollama"},
    ),
    Quirks(
        name="llamacpp",
        path="/llamacpp/v1",
        usage=False,
        stream_usage="never",
        logprobs=True,
        max_tokens=("max_tokens",),
        reasoning="reasoning_content",
        extra={"timings": {"prompt_ms": 1.0, "predicted_ms": 2.0, "predicted_per_second": 100.0}},
    ),
)
"""Every server that is played, OpenAI itself first."""
