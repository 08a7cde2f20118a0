"""The candidate that the others resemble most."""

import asyncio
import math
from collections.abc import Mapping, Sequence

from rapidfuzz.distance import Indel

from judges.heuristics._found import found, silent
from judges.judge import JUDGES, Judge
from judges.types import Case, Model, Verdict


@JUDGES.register("consensus")
class Consensus(Judge):
    """Prefer the medoid: the text with the greatest summed similarity to the others (minimum Bayes risk).

    Only candidates marked comparable count and can win, and fewer than three say nothing: over a fleet of unequal
    models the crowd pulls towards its mean. Similarity is lexical (normalized indel), so it sees wording, not truth.
    """

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        crowd = [one for one in case.candidates if one.id in case.comparable and one.completion.text.strip()]
        if len(crowd) < 3:
            return silent(self, f"{len(crowd)} comparable candidates; a consensus takes 3")
        # Long texts take tens of milliseconds a pair, which the event loop must not feel.
        closeness = await asyncio.to_thread(_closeness, [one.completion.text for one in crowd])
        best = max(closeness)
        winners = (one.id for one, close in zip(crowd, closeness, strict=True) if close == best)
        return found(self, case, winners, f"mean similarity {best / (len(crowd) - 1):.3f} to {len(crowd) - 1} others")


def _closeness(texts: Sequence[str]) -> list[float]:
    near: list[list[float]] = [[] for _ in texts]
    for i, text in enumerate(texts):
        for j in range(i):
            alike = Indel.normalized_similarity(text, texts[j])
            near[i].append(alike)
            near[j].append(alike)
    # fsum is exact, so equal sets of similarities give equal sums in whatever order they come.
    return [math.fsum(row) for row in near]
