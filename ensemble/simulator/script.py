"""What a test can tell a simulated model to do next."""

import asyncio
from dataclasses import dataclass

from ensemble.simulator.logprobs import at_label
from ensemble.simulator.talk import Finish, Said, ToolUse

FAULTS = (
    "html",
    "null",
    "wrong_shape",
    "broken_json",
    "no_choices",
    "oversized",
    "cut",
    "stream_error",
    "silence",
    "trickle",
    "redirect",
    "wrong_type",
    "surrogates",
    "no_usage",
    "401",
    "429",
    "500",
    "503",
    "529",
)
"""Every kind of fault; a number is an HTTP status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What becomes of one request; made by ``reply``, ``stall``, ``hold``, ``status`` and ``fault``.

    Attributes:
        wait_s: silence before anything is sent, in seconds.
        gate: wait until this event is set, too.
        said: the answer, None for what the model would say anyway.
        status: refuse with this HTTP status.
        fault: spoil the answer in this way.
        after_tokens: how far a stream gets before ``cut`` and ``stream_error``; None for half of it.
        amount: bytes of ``oversized``, seconds between two bytes of ``trickle``.
        location: where ``redirect`` points to, None for a place on this server that counts arrivals.
    """

    wait_s: float = 0.0
    gate: asyncio.Event | None = None
    said: Said | None = None
    status: int | None = None
    retry_after_s: float | None = None
    message: str | None = None
    error_type: str | None = None
    fault: str | None = None
    after_tokens: int | None = None
    amount: float | None = None
    location: str | None = None


def reply(
    text: str = "",
    *,
    finish: Finish = "stop",
    tool_calls: tuple[ToolUse, ...] = (),
    refusal: str | None = None,
    reasoning: str | None = None,
    odds: dict[str, float] | None = None,
    sure: float | None = None,
    cached_tokens: int = 0,
    cache_write_tokens: int = 0,
    model: str | None = None,
    wait_s: float = 0.0,
) -> Step:
    """Answer with exactly this."""
    said = Said(
        text=text,
        finish=finish,
        tool_calls=tool_calls,
        refusal=refusal,
        reasoning=reasoning,
        odds=at_label(text, odds or {}),
        sure=sure,
        cached_tokens=cached_tokens,
        cache_write_tokens=cache_write_tokens,
        model=model,
    )
    return Step(said=said, wait_s=wait_s)


def stall(seconds: float) -> Step:
    """Stay silent for ``seconds``, then answer as usual."""
    return Step(wait_s=seconds)


def hold(gate: asyncio.Event, text: str | None = None) -> Step:
    """Stay silent until ``gate`` is set, then answer with ``text``, or as usual where it is None."""
    return Step(gate=gate, said=None if text is None else Said(text=text))


def status(
    code: int, *, retry_after: float | None = None, message: str | None = None, error_type: str | None = None
) -> Step:
    """Refuse with HTTP status ``code``; ``retry_after`` is in seconds, ``error_type`` None for the wire's usual one."""
    return Step(status=code, retry_after_s=retry_after, message=message, error_type=error_type)


def fault(
    kind: str,
    *,
    text: str | None = None,
    after_tokens: int | None = None,
    amount: float | None = None,
    location: str | None = None,
    retry_after: float | None = None,
) -> Step:
    """Spoil the answer (``text``, or the usual one where it is None) in the way of ``kind``.

    Raises:
        ValueError: no such kind of fault.
    """
    if kind not in FAULTS:
        raise ValueError(f"fault: no such kind {kind!r}; known are {', '.join(FAULTS)}")
    said = None if text is None else Said(text=text)
    if kind.isdigit():
        return status(int(kind), retry_after=retry_after)
    return Step(fault=kind, said=said, after_tokens=after_tokens, amount=amount, location=location)
