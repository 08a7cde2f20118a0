"""A scorer of answers for cascades: how good an answer is, read off question and answer, and the score to ask for."""

from collections.abc import Sequence

import numpy as np

from ensemble.training.fit import Fitted, learn, quality_of
from ensemble.training.policy import mean_cost
from ensemble.training.table import FloatArray, Table
from judges.learning.model import sample

STEPS = 60


def fit_scorer(table: Table, cheap: str, dear: str, *, seed: int = 0) -> Fitted:
    """Learn from question and answer whether an answer of ``cheap`` may stand. Blocks.

    What is learned is a third of the way its quality, and else its advantage over ``dear`` from -1 to 1 as 0 to 1: of
    answers that are bad, those are passed on first which the dear member would better, and a good one that it would
    spoil is kept first.

    Raises:
        ValueError: the table holds no answers.
    """
    if table.outputs is None:
        raise ValueError("outputs: the table holds no answers; a scorer reads them")
    own = table.members.index(cheap)
    both = quality_of(table.only((cheap, dear)))
    rows = np.flatnonzero(~np.isnan(both).any(axis=1))
    kept, both = table.take(rows), both[rows]
    answers = [row[own] or "" for row in kept.outputs or ()]
    stands = (1 + 2 * both[:, [0]] - both[:, [1]]) / 3
    known = np.ones_like(stands)
    return learn(sample(kept.texts, answers), stands, known, kept.weights, kept.groups, kind="answers", seed=seed)


def thresholds(
    scores: FloatArray, cheap: FloatArray, dear: FloatArray, nano_usd: FloatArray
) -> Sequence[dict[str, float]]:
    """Scores from which a cheap answer stands, as ``Point`` reads them, with the share of requests passed on.

    Quality is a share of the dear member's. ``nano_usd`` (n, 2) is what the cheap and the dear answer cost, of which
    the cheap one is always paid; a threshold has no cost where one of them is unknown. ``scores`` must come from a
    scorer that had not seen the answers.
    """
    found = []
    for score in np.unique(np.quantile(scores, np.linspace(0, 1, STEPS))):
        stands = scores >= score
        served = np.where(stands, cheap, dear)
        ratio = served.mean() / max(dear.mean(), 1e-9)
        error = float(np.std(served - ratio * dear) / max(dear.mean(), 1e-9) / np.sqrt(len(dear)))
        point = {"score": float(score), "quality": float(ratio), "error": error, "mean": float(served.mean())}
        paid = mean_cost(nano_usd[:, 0] + np.where(stands, 0.0, nano_usd[:, 1]))
        found.append({**point, **paid, "passed_on": float((~stands).mean())})
    return found
