"""Arena-Hard and JudgeBench: ``[[A>>B]]``, ``[[A>B]]``, ``[[A=B]]``, ``[[B>A]]``, ``[[B>>A]]``.

Source: lmarena/arena-hard-auto, judgment regex; ScalerLab/JudgeBench, utils/judges.py.
"""

import re

from judges.readers.labels import FIVE_WAY, Reading, read_label

_STRICT = re.compile(r"\[\[([AB<>=]+)\]\]")


def strict(text: str) -> Reading | None:
    """The label of ``text`` if all its bracketed labels are the same, as JudgeBench counts."""
    labels = set(_STRICT.findall(text))
    if len(labels) != 1:
        return None
    label = FIVE_WAY.get(labels.pop())
    return Reading(label=label, path="arena_hard:strict") if label else None


def names_itself(text: str) -> bool:
    """Whether the one label of ``text`` compares an answer with itself, such as ``[[A>>A]]``: read, but no verdict."""
    labels = set(_STRICT.findall(text))
    return len(labels) == 1 and not labels & set(FIVE_WAY)


def robust(text: str) -> Reading | None:
    """The label that is meant as final, brackets or not."""
    return read_label(text, FIVE_WAY)
