"""Fitting the parts of a model: terms, the linear part, trees, neighbours. Blocks for seconds to minutes."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ensemble.training.table import FloatArray, IntArray
from judges.learning.model import Sample, State, sharpened, unit

LEAST_REQUESTS = 5
"""A term that fewer requests (or conversations) hold is in no model: it could tell who asked."""
TERMS = 30_000
DIRECTIONS = 32
WORD = r"(?u)\b\w+\b"
ALPHAS = (5.0, 15.0, 50.0)
TREES = 120
BOOSTED = 40
SUBJECT_ALPHA = 2.0
SHARPNESS = (4.0, 8.0, 16.0, 32.0)
PRIOR = 5.0
"""Requests of a subject that weigh as much as what is known without it."""


def terms(asked: Sample, groups: Sequence[str], seed: int) -> State:
    """Vocabularies, the scale of figures, and the main directions of both together."""
    from sklearn.utils.extmath import randomized_svd

    from judges.learning.model import embed

    spread = asked.figures.std(axis=0)
    state: dict[str, Any] = {
        "centre": asked.figures.mean(axis=0),
        "scale": np.where(spread > 1e-9, spread, 1.0),
        "words": vocabulary(asked.texts, groups, analyzer="word", ngram_range=(1, 2), token_pattern=WORD),
        "characters": vocabulary(asked.texts, groups, analyzer="char_wb", ngram_range=(3, 5)),
        "directions": np.empty((0, 0), np.float32),
    }
    whole, _ = embed(state, asked.texts, asked.figures)
    wanted = min(DIRECTIONS, min(whole.shape) - 1)
    if wanted > 0:
        _, _, axes = randomized_svd(whole, n_components=wanted, n_iter=2, random_state=seed)
        state["directions"] = np.ascontiguousarray(axes.T, dtype=np.float32)
    return state


def vocabulary(texts: Sequence[str], groups: Sequence[str], *, norm: str | None = "l2", **how: Any) -> Any:
    """A vectorizer with the terms that at least ``LEAST_REQUESTS`` groups hold; None where there is no such term."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

    whole: dict[str, list[str]] = {}
    for group, text in zip(groups, texts, strict=True):
        whole.setdefault(group, []).append(text)
    if len(whole) < LEAST_REQUESTS:
        return None
    counter = CountVectorizer(min_df=LEAST_REQUESTS, max_features=TERMS, **how)
    try:
        counter.fit(["\n".join(parts) for parts in whole.values()])
    except ValueError:  # scikit-learn's way to say that no term is left
        return None
    # Plain numbers: skops writes each of numpy's as a file of its own, in time that grows with their square.
    terms = {term: int(place) for term, place in counter.vocabulary_.items()}
    found = TfidfVectorizer(vocabulary=terms, sublinear_tf=True, norm=norm, dtype=np.float32, **how)
    return found.fit(texts)


def linear(sparse: Any, targets: FloatArray, weights: FloatArray, alpha: float) -> State:
    """Ridge regression on terms and figures."""
    from sklearn.linear_model import Ridge

    fitted = Ridge(alpha=alpha, solver="sparse_cg", tol=1e-3, max_iter=200)
    fitted.fit(sparse, targets, sample_weight=weights)
    coefficients = np.atleast_2d(fitted.coef_).T.astype(np.float32)
    return {"weights": np.ascontiguousarray(coefficients), "base": np.atleast_1d(fitted.intercept_), "alpha": alpha}


def forest(dense: FloatArray, targets: FloatArray, weights: FloatArray, seed: int) -> State:
    """Extremely randomized trees (Geurts et al. 2006), all members at once."""
    from sklearn.ensemble import ExtraTreesRegressor

    few = max(3, min(10, len(dense) // 150))
    fitted = ExtraTreesRegressor(TREES, min_samples_leaf=few, max_features=0.3, random_state=seed, max_depth=24)
    fitted.fit(dense.astype(np.float32), targets if targets.shape[1] > 1 else targets[:, 0], sample_weight=weights)
    return _flat([tree.tree_ for tree in fitted.estimators_], targets.shape[1], 1 / TREES)


def boosting(dense: FloatArray, targets: FloatArray, weights: FloatArray, seed: int) -> State:
    """Stochastic gradient boosting (Friedman 2002) for each member, on its difference from the mean of all.

    The mean over members is boosted as one more target, so that what makes a request hard is learned once.
    """
    from sklearn.ensemble import GradientBoostingRegressor

    trees: list[Any] = []
    members: list[FloatArray] = []
    base = np.zeros(targets.shape[1])
    common = targets.mean(axis=1)
    wanted = [(common, np.ones(targets.shape[1]))]
    if targets.shape[1] > 1:
        wanted += [(targets[:, j] - common, np.eye(targets.shape[1])[j]) for j in range(targets.shape[1])]
    for target, share in wanted:
        fitted = GradientBoostingRegressor(
            n_estimators=BOOSTED, learning_rate=0.1, subsample=0.5, max_features=12, max_depth=4,
            min_samples_leaf=max(3, min(20, len(dense) // 50)), random_state=seed,
        )  # fmt: skip
        fitted.fit(dense.astype(np.float32), target, sample_weight=weights)
        base += share * float(np.average(target, weights=weights))
        trees += [stage[0].tree_ for stage in fitted.estimators_]
        members += [share * 0.1] * len(fitted.estimators_)
    state = dict(_flat(trees, targets.shape[1], 1.0, members))
    return {**state, "base": base}


def _flat(trees: Sequence[Any], members: int, scale: float, shares: Sequence[FloatArray] | None = None) -> State:
    """Trees one behind another as arrays; a leaf points to itself and its threshold sends nothing on."""
    below, feature, threshold, value, roots = [], [], [], [], []
    start = 0
    for number, tree in enumerate(trees):
        own = np.arange(tree.node_count)
        leaf = tree.children_left < 0
        sides = np.stack([np.where(leaf, own, tree.children_left), np.where(leaf, own, tree.children_right)], axis=1)
        below.append(sides + start)
        feature.append(np.where(leaf, 0, tree.feature))
        threshold.append(tree.threshold)
        here = tree.value[:, :, 0]
        value.append(here * scale if shares is None else here[:, :1] * shares[number])
        roots.append(start)
        start += tree.node_count
    return {
        "below": np.concatenate(below).astype(np.int64),
        "feature": np.concatenate(feature).astype(np.int64),
        "threshold": np.concatenate(threshold),
        "value": np.concatenate(value).astype(np.float64).reshape(start, members),
        "roots": np.array(roots, dtype=np.int64),
        "depth": max(tree.max_depth for tree in trees),
        "base": np.zeros(members),
    }


def knn(near: FloatArray, targets: FloatArray, mean: FloatArray) -> State:
    """The requests themselves as directions and likely subjects, rounded; their texts are not kept."""
    return {"vectors": unit(near).astype(np.float32), "quality": targets.astype(np.float64), "k": 60, "prior": 5.0,
            "mean": mean}  # fmt: skip


def subjects(
    sparse: Any, names: Sequence[str | None], weights: FloatArray, place: IntArray
) -> tuple[State, FloatArray]:
    """Which subject a request is of, and how likely each is (n, k) for rows as if they had not been seen.

    Subjects go by name; those of fewer than ``LEAST_REQUESTS`` requests count as none. ``place`` (n,) is the fold of
    each row. Which sharpness turns scores into shares is chosen by the log-likelihood of the folds.

    Raises:
        ValueError: there are fewer than two subjects.
    """
    kinds = kinds_of(names)
    if len(kinds) < 2:
        raise ValueError("domains: fewer than two subjects have enough requests")
    belongs = _belongs(names, kinds)
    scores = np.tile(belongs.mean(axis=0), (len(names), 1))
    for part in np.unique(place):
        rows, held = place != part, place == part
        if rows.any():
            one = linear(sparse[rows], belongs[rows], weights[rows], SUBJECT_ALPHA)
            scores[held] = sparse[held] @ one["weights"] + one["base"]
    told = belongs.any(axis=1)

    def loss(sharpness: float) -> float:
        return -float(np.log((sharpened(scores[told], sharpness) * belongs[told]).sum(axis=1) + 1e-9).sum())

    best = min(SHARPNESS, key=loss)
    return {**linear(sparse, belongs, weights, SUBJECT_ALPHA), "sharpness": best}, sharpened(scores, best)


def kinds_of(names: Sequence[str | None], least: int = LEAST_REQUESTS) -> Sequence[str]:
    """Subjects of at least ``least`` requests, by name."""
    return sorted(name for name, number in Counter(names).items() if name and number >= least)


def domains(names: Sequence[str | None], kinds: Sequence[str], targets: FloatArray, weights: FloatArray) -> State:
    """How good each member is on each of ``kinds`` (k, m), shrunk to its mean."""
    mean = np.average(targets, axis=0, weights=weights)
    weighed = _belongs(names, kinds) * weights[:, None]
    shrunk = (weighed.T @ targets + PRIOR * mean) / (weighed.sum(axis=0)[:, None] + PRIOR)
    return {"quality": shrunk}


def _belongs(names: Sequence[str | None], kinds: Sequence[str]) -> FloatArray:
    return np.array([[name == kind for kind in kinds] for name in names], dtype=np.float64)
