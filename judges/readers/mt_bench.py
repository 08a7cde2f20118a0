"""MT-Bench: ``[[A]]``, ``[[B]]``, ``[[C]]`` for a pair, ``[[7]]`` for one answer (Zheng et al. 2023, FastChat)."""

import math
import re

from judges.readers.labels import THREE_WAY, Reading, read_label

_RATING = re.compile(r"\[\[(\d+\.?\d*)\]\]")
_SINGLE_BRACKETS = re.compile(r"\[(\d+\.?\d*)\]")
_LEAST, _MOST = 1.0, 10.0


def strict(text: str) -> Reading | None:
    """The first of A, B, C that stands in double brackets anywhere, in this order of names, as FastChat reads."""
    for name, label in THREE_WAY.items():
        if f"[[{name}]]" in text:
            return Reading(label=label, path="mt_bench:strict")
    return None


def robust(text: str) -> Reading | None:
    """The label that is meant as final, brackets or not."""
    return read_label(text, THREE_WAY)


def rating_strict(text: str) -> float | None:
    """The first number in double brackets, else the first in single ones, as FastChat reads; None without any."""
    found = _RATING.search(text) or _SINGLE_BRACKETS.search(text)
    rating = float(found.group(1)) if found else math.inf
    return rating if math.isfinite(rating) else None


def rating_robust(text: str) -> float | None:
    """The last rating in double brackets, 1 to 10; None where there is none, or where two differ and none is final.

    A rating is final where it stands alone on the last line or behind the word "rating".
    """
    found = [(float(match.group(1)), match) for match in _RATING.finditer(text)]
    if not found or not all(_LEAST <= value <= _MOST for value, _ in found):
        return None
    if len({value for value, _ in found}) == 1:
        return found[-1][0]
    finals = {value for value, match in found if _is_final(text.rstrip(), match)}
    return finals.pop() if len(finals) == 1 else None


def _is_final(text: str, match: re.Match[str]) -> bool:
    before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
    after = text[match.end() :]
    return not after.strip(" .*_") and (not before.strip(" *_") or "rating" in before.casefold())
