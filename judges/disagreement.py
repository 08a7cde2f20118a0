"""How far the candidates of a case differ: signs of it, and one index in [0, 1] that cases can be ranked by.

The weight below was set by hand and never fitted, so that the index may be tested on whatever labels there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from rapidfuzz.distance import Indel

from judges.agreement.bias import both_orders
from judges.heuristics._answers import answer_of
from judges.quick import quick
from judges.types import CandidateId, Completion, Preference
from judges.values import value_of

CUT = 4000
"""Characters of a text that are compared: longer ones differ early enough."""
_DIFFER = 2.0
"""What answers that differ count, where each other sign counts 1."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """Signs of disagreement, each in [0, 1]; None where nothing can be told.

    Attributes:
        spread: share of pairs whose final answers differ, among those from which one can be told.
        similarity: mean likeness of the texts, two by two (normalized indel).
        margin: lead of the judge's winners over the best of the others, in its scores.
        flips: share of the pairs that the judge saw in both orders, in which each order named another winner.
        conflicts: how evenly verifiers divide the candidates: 1 if they set half of them aside. None where they set
            none aside, since nobody knows whether any was asked.
        index: the weighted mean of what is known: answers that differ, or texts where no answer can be told, count
            twice.
    """

    spread: float | None
    similarity: float | None
    margin: float | None
    flips: float | None
    conflicts: float | None

    @property
    def index(self) -> float | None:
        """All of it in one number; None for fewer than two candidates."""
        if self.similarity is None:
            return None
        total = _DIFFER * (self.spread if self.spread is not None else 1 - self.similarity)
        weights = _DIFFER
        for sign in (self.margin, self.flips, self.conflicts):
            if sign is not None:
                total += sign
                weights += 1.0
        return total / weights


def told_by(said: Completion, question: str = "") -> str | None:
    """What an answer comes to, in a form in which equal answers are equal; None where that cannot be told for sure."""
    return answer_of(said, question)


def disagreement(
    said: Mapping[CandidateId, Completion],
    question: str = "",
    *,
    winners: Sequence[CandidateId] = (),
    scores: Mapping[CandidateId, float] | None = None,
    preferences: Sequence[Preference] = (),
    set_aside: int = 0,
    told: Mapping[CandidateId, str | None] | None = None,
) -> Disagreement:
    """Read the candidates ``said``, and what a judge found of them. Takes a fraction of a millisecond per pair.

    ``set_aside`` counts the candidates that a verifier refused before the judge saw them. ``told`` is what ``told_by``
    gave for each candidate, from whoever has asked already.
    """
    texts = [(value_of(one) or one.text)[:CUT] for one in said.values()]
    told = {id_: told_by(one, question) for id_, one in said.items()} if told is None else told
    answers = [answer for id_ in said if (answer := told[id_]) is not None]
    orders = list(both_orders(preferences)) if preferences else []
    return Disagreement(
        spread=_mean([one != other for one, other in combinations(answers, 2)]),
        similarity=_mean([Indel.normalized_similarity(one, other) for one, other in combinations(texts, 2)]),
        margin=_margin(winners, scores or {}),
        flips=_mean([one.isdisjoint(other) for one, other in orders]),
        conflicts=2 * min(set_aside, len(said) - set_aside) / len(said) if 0 < set_aside <= len(said) else None,
    )


def _margin(winners: Sequence[CandidateId], scores: Mapping[CandidateId, float]) -> float | None:
    """The lead of the winners; 0 where all win."""
    if len(scores) < 2 or not winners or not scores.keys() >= set(winners):
        return None
    others = [score for one, score in scores.items() if one not in winners]
    if not others:
        return 0.0
    return min(1.0, max(0.0, min([scores[one] for one in winners]) - max(others)))


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
