"""A scorer of answers for cascades: how good an answer is, read off question and answer, and the score to ask for."""

from collections.abc import Sequence

import numpy as np

from ensemble.training.fit import Fitted, Kind, learn
from ensemble.training.table import FloatArray, Table
from judges.learning.model import sample

STEPS = 60


def fit_scorer(table: Table, member: str, *, kind: Kind = "stack", seed: int = 0) -> Fitted:
    """Learn the quality of the answers of ``member`` from question and answer. Blocks.

    Raises:
        ValueError: the table holds no answers.
    """
    if table.outputs is None:
        raise ValueError("outputs: the table holds no answers; a scorer reads them")
    own = table.members.index(member)
    answers = [row[own] or "" for row in table.outputs]
    quality = table.quality[:, [own]]
    known = (~np.isnan(quality)).astype(np.float64)
    targets = np.where(np.isnan(quality), np.nanmean(quality), quality)
    return learn(sample(table.texts, answers), targets, known, table.weights, table.groups, kind=kind, seed=seed)


def thresholds(scores: FloatArray, cheap: FloatArray, dear: FloatArray) -> Sequence[dict[str, float]]:
    """Score from which a cheap answer stands: share of the dear member's quality kept, its error, share passed on.

    ``scores`` must come from a scorer that had not seen the answers.
    """
    found = []
    for score in np.unique(np.quantile(scores, np.linspace(0, 1, STEPS))):
        stands = scores >= score
        served = np.where(stands, cheap, dear)
        ratio = served.mean() / max(dear.mean(), 1e-9)
        error = float(np.std(served - ratio * dear) / max(dear.mean(), 1e-9) / np.sqrt(len(dear)))
        found.append(
            {"score": float(score), "quality": float(ratio), "error": error, "passed_on": float((~stands).mean())}
        )
    return found
