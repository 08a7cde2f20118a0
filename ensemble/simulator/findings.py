"""How a simulated judge puts its finding: a reason, then the label, ranking, marks or scores that were asked for."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from ensemble.simulator.draw import pick
from ensemble.simulator.logprobs import at_label
from ensemble.simulator.talk import Said
from judges.llm._render import LABELS, Shown

TIE = "C"
LEAST, MOST = 1, 9
"""The scale of scores."""
MUCH = 0.5
"""Least lead in quality with which one answer is much better."""
_SHARP = 1.5
_EQUAL = "The two answers serve the user equally well."
_SURE = ("Answer {0} is the better one", "I find answer {0} better", "Answer {0} serves the user better")
_BEST = ("Answer {0} comes first", "I put answer {0} at the top", "Answer {0} leads the field")
_WHY = ("it meets the request more fully", "it is the more accurate of the two", "it does what was asked")
_WHY_FIRST = ("it meets the request most fully", "it is the most accurate of them", "it does what was asked")
_RATED = ("The answer is {0}", "I find the answer {0}", "As an answer to this it is {0}")


def chosen(shown: Shown, felt: Sequence[float], mark: str = "") -> Said:
    """The best of two or more as ``[[A]]``; ``[[C]]`` where two are equal, the first of more equals."""
    tied = len(felt) == 2 and felt[0] == felt[1]
    label = TIE if tied else LABELS[felt.index(max(felt))]
    text = _ended(_EQUAL if tied else _reason(shown, _SURE, label), mark, label)
    return Said(text=text, odds=at_label(text, _odds(label, felt)))


def five(shown: Shown, felt: Sequence[float], mark: str = "") -> Said:
    """The better of two, and by how much: from ``[[A>>B]]`` to ``[[B>>A]]``."""
    if felt[0] == felt[1]:
        return Said(text=_ended(_EQUAL, mark, "A=B"))
    first, second = "AB" if felt[0] > felt[1] else "BA"
    sign = ">>" if abs(felt[0] - felt[1]) >= MUCH else ">"
    return Said(text=_ended(_reason(shown, _SURE, first), mark, f"{first}{sign}{second}"))


def ranked(shown: Shown, felt: Sequence[float], mark: str = "") -> Said:
    """All from the best down, ``[[B > A = C]]``."""
    order = sorted(range(len(felt)), key=lambda at: -felt[at])
    tiers = [" = ".join(LABELS[at] for at in tier) for _, tier in groupby(order, key=lambda at: felt[at])]
    return Said(text=_ended(_reason(shown, _BEST, LABELS[order[0]]), mark, " > ".join(tiers)))


def rated(shown: Shown, felt: Sequence[float]) -> Said:
    """A score per criterion of the page, as JSON; every digit with the probabilities of the whole scale."""
    place = LEAST + (MOST - LEAST) * min(1.0, max(0.0, felt[0]))
    score = round(place)
    word = "of little use" if score <= 3 else "fair" if score <= 6 else "good"
    reason = f"{pick(_RATED, shown.question, *shown.candidates).format(word)}."
    odds = _scale(place)
    text, at = f'{{"reason": {json.dumps(reason)}, "scores": {{', {}
    for name in shown.criteria:
        text += f"{json.dumps(name, ensure_ascii=False)}: "
        at[len(text)] = odds
        text += f"{score}, "
    return Said(text=text.removesuffix(", ") + "}}", odds=at)


def marks(acceptable: Iterable[bool]) -> str:
    """The line that names the acceptable answers."""
    names = [label for label, good in zip(LABELS, acceptable, strict=False) if good]
    return f"[[acceptable: {', '.join(names) or 'none'}]]"


def _reason(shown: Shown, ways: tuple[str, ...], label: str) -> str:
    about = (shown.question, *shown.candidates)
    whys = _WHY if len(shown.candidates) == 2 else _WHY_FIRST
    return f"{pick(ways, *about).format(label)}: {pick(whys, label, *about)}."


def _ended(reason: str, mark: str, label: str) -> str:
    return "\n\n".join(part for part in (reason, mark, f"[[{label}]]") if part)


def _odds(label: str, grades: Sequence[float]) -> Mapping[str, float]:
    """Probabilities of the labels: the surer, the further the best grade is above the mean of the others."""
    labels = [*LABELS[: len(grades)], TIE] if len(grades) == 2 else list(LABELS[: len(grades)])
    best = max(grades)
    rest = (sum(grades) - best) / (len(grades) - 1)
    sure = min(0.99, 0.55 + 0.45 * (best - rest))
    return {each: sure if each == label else (1 - sure) / (len(labels) - 1) for each in labels}


def _scale(place: float) -> Mapping[str, float]:
    """Probabilities of the scores, falling off on both sides of ``place``."""
    weights = {str(score): math.exp(-_SHARP * abs(score - place)) for score in range(LEAST, MOST + 1)}
    total = math.fsum(weights.values())
    return {score: weight / total for score, weight in weights.items()}
