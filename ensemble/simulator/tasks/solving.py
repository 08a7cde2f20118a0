"""Solving a task from the text of its conversation, with no other knowledge of it."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from ensemble.simulator.tasks.base import Pattern, Work
from ensemble.simulator.tasks.patterns import PATTERNS

LONGEST = 1500
"""Characters of a prompt that are read: no task is longer, and the patterns are not made for more."""


def solve(turns: Sequence[tuple[str, str]], tools: Collection[str] | None = None) -> Work | None:
    """The work that answers the conversation ``turns`` of (role, text), None where no pattern fits.

    ``tools`` are the names of the tools at hand; None takes every tool to be.
    """
    asked = tuple(text for role, text in turns if role == "user")
    return _solve(asked, None if tools is None else frozenset(tools)) if asked else None


@lru_cache(maxsize=1024)
def _solve(asked: tuple[str, ...], tools: frozenset[str] | None) -> Work | None:
    last, whole = asked[-1][:LONGEST], "\n".join(asked)[-LONGEST:]
    for pattern in PATTERNS:
        if pattern.tool is not None and tools is not None and tool_name(pattern.tool) not in tools:
            continue
        work = _read(pattern, whole if pattern.kind == "dialogue" else last)
        if work is not None:
            return work
    return None


def _read(pattern: Pattern, text: str) -> Work | None:
    for form in pattern.forms:
        values = form.read(text, whole=pattern.whole)
        if values is None:
            continue
        try:
            return pattern.work(values)
        except (ValueError, ArithmeticError, LookupError):
            continue  # The words fit, what stands in them makes no sense: another form may.
    return None


def tool_name(tool: Mapping[str, object]) -> str:
    """The name of a tool from its definition in OpenAI's shape."""
    function = tool["function"]
    return str(function["name"]) if isinstance(function, dict) else ""
