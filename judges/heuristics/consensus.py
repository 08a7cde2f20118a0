"""The candidate that the others resemble most."""

import asyncio
import math
from collections.abc import Mapping, Sequence

from rapidfuzz.distance import Indel

from judges.heuristics._found import found, silent
from judges.judge import JUDGES, Judge
from judges.types import Case, Completion, Model, Verdict
from judges.values import value_of


@JUDGES.register("consensus")
class Consensus(Judge):
    """Prefer the medoid: the text with the greatest summed similarity to the others (minimum Bayes risk).

    Only candidates marked comparable count and can win, and fewer than three say nothing: over a fleet of unequal
    models the crowd pulls towards its mean. Similarity is lexical (normalized indel), so it sees wording, not truth; of
    tool calls and JSON it sees the values, however they are written.
    """

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        crowd = [one for one in case.candidates if one.id in case.comparable and not _empty(one.completion)]
        if len(crowd) < 3:
            return silent(self, f"{len(crowd)} comparable candidates; a consensus takes 3")
        # Long texts take tens of milliseconds a pair, which the event loop must not feel.
        closeness = await asyncio.to_thread(_closeness, [one.completion for one in crowd])
        best = max(closeness)
        winners = (one.id for one, close in zip(crowd, closeness, strict=True) if close == best)
        return found(self, case, winners, f"mean similarity {best / (len(crowd) - 1):.3f} to {len(crowd) - 1} others")


def _empty(said: Completion) -> bool:
    return not said.text.strip() and not said.tool_calls


def _closeness(crowd: Sequence[Completion]) -> list[float]:
    texts = [value_of(said) or said.text for said in crowd]
    near: list[list[float]] = [[] for _ in texts]
    for i, text in enumerate(texts):
        for j in range(i):
            alike = Indel.normalized_similarity(text, texts[j])
            near[i].append(alike)
            near[j].append(alike)
    # fsum is exact, so equal sets of similarities give equal sums in whatever order they come.
    return [math.fsum(row) for row in near]
