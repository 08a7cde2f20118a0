"""A scorer of answers for cascades: how good an answer is, read off question and answer, and the score to ask for."""

from collections.abc import Sequence

import numpy as np

from ensemble.training.borrow import borrowed
from ensemble.training.fit import Fitted, learn, quality_of
from ensemble.training.policy import mean_cost
from ensemble.training.table import FloatArray, Table
from judges.heuristics.agreement import agreed, loosely_told
from judges.learning.model import VERIFIERS, Sample, sample

STEPS = 60


def fit_scorer(table: Table, cheap: Sequence[str], dear: str, *, seed: int = 0) -> Fitted:
    """Learn from question and answer whether an answer of a ``cheap`` member may stand. Blocks.

    What is learned is a third of the way its quality, and else its advantage over ``dear`` from -1 to 1 as 0 to 1: of
    answers that are bad, those are passed on first which the dear member would better, and a good one that it would
    spoil is kept first. Other members of ``table`` are witnesses: how hard the request was for them steadies what
    ``dear`` would make of it, whose answer is not read; that of a cheap member is, so its quality stays as it is. Every
    quality of cheap and dear members must be known. The rows of what was predicted unseen are those of the first cheap
    member, then those of the next.

    Raises:
        ValueError: the table holds no answers.
    """
    many = len(cheap)
    own = (*cheap, dear)
    quality = quality_of(table.only((*own, *(name for name in table.members if name not in own))))
    steadied, _ = borrowed(quality, len(own))
    stands = (1 + 2 * quality[:, :many] - steadied[:, many:]) / 3
    return learn(
        answers_of(table, cheap),
        stands.T.reshape(-1, 1),
        np.ones((len(table) * many, 1)),
        np.tile(table.weights, many),
        table.groups * many,
        kind="answers",
        seed=seed,
    )


def answers_of(table: Table, cheap: Sequence[str]) -> Sample:
    """Each request with each cheap member's answer, and where these are several how many others say the same.

    With them comes what verifiers and logprobs say of each, where the table holds it.

    Raises:
        ValueError: the table holds no answers.
    """
    if table.outputs is None:
        raise ValueError("outputs: the table holds no answers; a scorer reads them")
    own = [table.members.index(name) for name in cheap]
    said = [[row[place] or "" for place in own] for row in table.outputs]
    shares = [agreed([loosely_told(one, text) for one in row]) for row, text in zip(said, table.texts, strict=True)]
    order = range(len(cheap))
    return sample(
        table.texts * len(cheap),
        [row[at] for at in order for row in said],
        [row[at] for at in order for row in shares] if len(cheap) > 1 else None,
        None if table.evidence is None else np.concatenate([table.evidence[:, at] for at in own]),
    )


def tells_logprobs(table: Table, cheap: Sequence[str]) -> bool:
    """Whether most answers of the ``cheap`` members came with logprobs, so that a scorer has learned to read them."""
    evidence = table.only(cheap).evidence
    return evidence is not None and bool(evidence[:, :, VERIFIERS].mean() >= 0.5)


def served(scores: FloatArray, quality: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Score and quality (n,) of the answer that a tier would serve, the one with the best of its scores (n, k)."""
    best = scores.argmax(axis=1)
    rows = np.arange(len(scores))
    return scores[rows, best], quality[rows, best]


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
