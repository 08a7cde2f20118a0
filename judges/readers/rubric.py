"""Rubric judges that score one answer at a time as JSON: ``{"reasoning": ..., "score": 0.9}``."""

import json
import math
import re
from collections.abc import Mapping, Sequence

_FENCE = re.compile(r"```(?:json)?\s*(\{.*?\})\s*```", re.DOTALL)
_SCORE = re.compile(r"\"score\"\s*:\s*\"?(-?\d+(?:\.\d+)?)\"?\s*[,}\n]")
_STRICT = re.compile(r"\"score\"\s*:\s*(-?\d+(?:\.\d+)?)")


def strict(text: str) -> float | None:
    """The first number behind ``"score":``, JSON or not, so ``0.3 + 0.4`` counts as 0.3; None without any."""
    found = _STRICT.search(text)
    return _finite(found.group(1)) if found else None


def robust(text: str) -> float | None:
    """The score of the JSON object in ``text``, fenced or between other words, or with faults around the score.

    None where two scores differ: a text that quotes another verdict is no verdict.
    """
    whole = _score(text)
    if whole is not None:
        return whole
    fenced = {score for block in _FENCE.findall(text) if (score := _score(block)) is not None}
    if len(fenced) == 1:
        return fenced.pop()
    found = {_finite(score) for score in _SCORE.findall(text)}
    return found.pop() if len(found) == 1 else None


def told_once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """A JSON object of ``pairs``, for ``object_pairs_hook``.

    Raises:
        ValueError: a key has two values; JSON would take the last, but who says two things has said nothing.
    """
    said = dict(pairs)
    if any(said[key] != value for key, value in pairs):
        raise ValueError("a key has two values")
    return said


def _score(text: str) -> float | None:
    try:
        said = json.loads(text, object_pairs_hook=told_once)
    except (ValueError, RecursionError):
        return None
    score = said.get("score") if isinstance(said, Mapping) else None
    if isinstance(score, bool) or not isinstance(score, int | float):
        return None
    return _finite(score)


def _finite(score: str | float) -> float | None:
    try:
        value = float(score)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None
