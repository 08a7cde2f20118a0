"""From a table of labels to a fitted model: parts, mixed and calibrated on folds that they have not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ensemble.training import parts
from ensemble.training.borrow import borrowed
from ensemble.training.splits import fold_of
from ensemble.training.table import BoolArray, FloatArray, Table
from judges.learning.model import LAYOUT, READERS, Learned, Sample, State, embed, sample

Kind = Literal["stack", "linear", "boosting", "knn", "answers"]
PARTS: dict[Kind, tuple[str, ...]] = {
    "stack": ("linear", "forest", "boosting", "knn", "domains"),
    "linear": ("linear",),
    "boosting": ("boosting",),
    "knn": ("knn",),
    "answers": ("forest", "boosting"),
}
FOLDS = 3
BLOCK = 500
"""Rows that a part reads at once."""
EQUAL = 500
"""Requests up to which equal shares of the parts are believed as much as shares that fit."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """A model, and what it predicted for each request while it had not seen it: (n, m), for thresholds."""

    state: State
    unseen: FloatArray

    @property
    def model(self) -> Learned:
        """The model as serving reads it."""
        return Learned(self.state)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Lesson:
    """What there is to learn: n requests, targets (n, m) and how known they are, weights of rows."""

    asked: Sample
    targets: FloatArray
    known: FloatArray
    weights: FloatArray
    groups: Sequence[str]
    sparse: Any
    dense: FloatArray
    seed: int
    domains: Sequence[str | None]
    kinds: Sequence[str]

    @property
    def near(self) -> int:
        """Columns of ``dense`` behind the figures: directions and likely subjects."""
        return int(self.dense.shape[1] - self.asked.figures.shape[1])

    @property
    def mean(self) -> FloatArray:
        return np.average(self.targets, axis=0, weights=self.known * self.weights[:, None] + 1e-9)


def quality_of(table: Table) -> FloatArray:
    """Quality (n, m); where a row has none at all, its votes stand in: 1 for the winning set, 0 for the rest.

    A row that may not vote (all answers were bad) has no such stand-in.
    """
    quality = table.quality.copy()
    silent = np.isnan(quality).all(axis=1) & table.usable & table.best.any(axis=1)
    quality[silent] = table.best[silent]
    return quality


def fit(table: Table, members: Sequence[str], *, kind: Kind = "stack", seed: int = 0) -> Fitted:
    """Learn the quality of ``members`` from the labels of ``table``; its other members are witnesses. Blocks.

    Equal arguments give equal models, in whatever order the rows come.
    """
    order = np.lexsort((np.array(table.ids), np.array(table.groups)))
    table = table.take(order)
    witnesses = [name for name in table.members if name not in members]
    quality = quality_of(table.only([*members, *witnesses]))
    targets, known = borrowed(quality, len(members))
    asked = sample(table.texts)
    fitted = learn(asked, targets, known, table.weights, table.groups, kind=kind, seed=seed, domains=table.domains)
    unseen = np.empty_like(fitted.unseen)
    unseen[order] = fitted.unseen
    return Fitted(state={**fitted.state, **_bills(asked.figures, table.only(members))}, unseen=unseen)


def learn(
    asked: Sample,
    targets: FloatArray,
    known: FloatArray,
    weights: FloatArray,
    groups: Sequence[str],
    *,
    kind: Kind = "stack",
    seed: int = 0,
    domains: Sequence[str | None] = (),
) -> Fitted:
    """Learn targets (n, m) of which ``known`` (n, m) says how much each is to be believed."""
    state = dict(parts.terms(asked, groups, seed))
    sparse, dense = embed(state, asked.texts, asked.figures)
    row = weights * np.maximum(known.mean(axis=1), 1e-3)
    place = fold_of(groups, FOLDS, seed=seed)
    kinds: Sequence[str] = ()
    if "domains" in PARTS[kind] and len(parts.kinds_of(domains, 3 * parts.LEAST_REQUESTS)) > 1:
        kinds = parts.kinds_of(domains)
        state["subjects"], likely = parts.subjects(sparse, domains, row, place)
        dense = np.hstack([dense, likely])
    lesson = _Lesson(
        asked=asked, targets=targets, known=known, weights=row, groups=groups, sparse=sparse, dense=dense,
        seed=seed, domains=domains, kinds=kinds,
    )  # fmt: skip
    lacking = {name for name, there in (("knn", lesson.near > 0), ("domains", kinds)) if not there}
    names = [name for name in PARTS[kind] if name not in lacking]
    alpha, unseen = _unseen(lesson, names, place)
    mean = lesson.mean
    # A part without a share would be written, and read for every request, for nothing.
    mixture = {name: share for name, share in _mixture(unseen, lesson, mean).items() if share > 0}
    mixed = mean + sum((share * (unseen[name] - mean) for name, share in mixture.items()), np.zeros_like(targets))
    slope = _slope(mixed - mean, targets - mean, known * weights[:, None])
    everything = np.ones(len(groups), np.bool_)
    state |= _parts(lesson, list(mixture), everything, alpha)
    state |= {"layout": LAYOUT, "mean": mean, "weights": mixture, "slope": slope}
    return Fitted(state=state, unseen=np.clip(mean + slope * (mixed - mean), 0, 1))


def _parts(lesson: _Lesson, names: Sequence[str], rows: BoolArray, alpha: float) -> dict[str, Any]:
    targets, weights = lesson.targets[rows], lesson.weights[rows]
    found: dict[str, Any] = {}
    for name in names:
        if name == "linear":
            found[name] = parts.linear(lesson.sparse[rows], targets, weights, alpha)
        elif name == "forest":
            found[name] = parts.forest(lesson.dense[rows], targets, weights, lesson.seed)
        elif name == "boosting":
            found[name] = parts.boosting(lesson.dense[rows], targets, weights, lesson.seed)
        elif name == "domains":
            own = [one for one, kept in zip(lesson.domains, rows, strict=True) if kept]
            found[name] = parts.domains(own, lesson.kinds, targets, weights)
        else:
            mean = np.average(targets, axis=0, weights=weights)
            found[name] = parts.knn(lesson.dense[rows][:, -lesson.near :], targets, mean)
    return found


def _unseen(lesson: _Lesson, names: Sequence[str], place: Any) -> tuple[float, dict[str, FloatArray]]:
    """The best strength of the linear part, and what each part says of rows that it has not seen."""
    unseen = {name: np.tile(lesson.mean, (len(place), 1)) for name in names}
    tried = {alpha: np.tile(lesson.mean, (len(place), 1)) for alpha in parts.ALPHAS}
    for part in range(FOLDS):
        rows, held = place != part, place == part
        if not held.any() or not rows.any():
            continue
        if "linear" in names:
            for alpha, values in tried.items():
                one = parts.linear(lesson.sparse[rows], lesson.targets[rows], lesson.weights[rows], alpha)
                values[held] = lesson.sparse[held] @ one["weights"] + one["base"]
        others = [name for name in names if name != "linear"]
        fitted = _parts(lesson, others, rows, 0.0)
        for name in others:
            unseen[name][held] = _read(name, fitted[name], lesson.dense[held])
    weight = lesson.known * lesson.weights[:, None]
    error = {alpha: float((weight * (values - lesson.targets) ** 2).sum()) for alpha, values in tried.items()}
    alpha = min(error, key=lambda one: error[one])
    if "linear" in names:
        unseen["linear"] = tried[alpha]
    return alpha, unseen


def _read(name: str, state: State, dense: FloatArray) -> FloatArray:
    """What a part says of rows (n, m), a block at a time: neighbours and trees hold thousands of numbers for each."""
    blocks = [dense[begin : begin + BLOCK] for begin in range(0, len(dense), BLOCK)]
    return np.concatenate([READERS[name](state, block) for block in blocks])


def _mixture(unseen: dict[str, FloatArray], lesson: _Lesson, mean: FloatArray) -> dict[str, float]:
    """Weights at or above 0 that fit what parts said of unseen rows, drawn towards equal shares.

    With several members only their differences count, for these alone decide whom to ask.
    """
    from scipy.optimize import nnls

    names = list(unseen)
    weight = np.sqrt(lesson.known * lesson.weights[:, None])

    def seen(values: FloatArray) -> FloatArray:
        off = values - mean
        if off.shape[1] > 1:
            off = off - off.mean(axis=1, keepdims=True)
        return np.ravel(weight * off)

    x = np.stack([seen(unseen[name]) for name in names], axis=1)
    y = seen(lesson.targets)
    # Equal shares weigh as much as the labels do up to EQUAL of them, less the more there are.
    pull = np.sqrt(np.trace(x.T @ x) / len(names) * min(1.0, EQUAL / len(weight)) + 1e-9)
    x = np.vstack([x, pull * np.eye(len(names))])
    y = np.concatenate([y, np.full(len(names), pull / len(names))])
    shares, _ = nnls(x, y)
    return {name: float(share) for name, share in zip(names, shares, strict=True)}


def _slope(said: FloatArray, true: FloatArray, weight: FloatArray) -> FloatArray:
    """How far predictions may leave each member's mean (m,), drawn towards what holds for all members."""
    cross, square = (weight * said * true).sum(axis=0), (weight * said * said).sum(axis=0)
    common = float(cross.sum() / max(square.sum(), 1e-9))
    pull = square.mean() + 1e-9
    slope: FloatArray = np.clip((cross + pull * common) / (square + pull), 0.0, 1.5)
    return slope


def _bills(figures: FloatArray, table: Table) -> dict[str, Any]:
    """Expected cost and time of each member as a log-linear function of the figures; None where nothing is known."""
    return {name: _log_linear(figures, getattr(table, name)) for name in ("nano_usd", "seconds")}


def _log_linear(figures: FloatArray, amounts: FloatArray) -> dict[str, FloatArray] | None:
    known = ~np.isnan(amounts) & (amounts >= 0)
    if not known.any():
        return None
    centre, spread = figures.mean(axis=0), figures.std(axis=0)
    x = (figures - centre) / np.where(spread > 1e-9, spread, 1.0)
    weights, base = np.zeros((figures.shape[1], amounts.shape[1])), np.full(amounts.shape[1], np.nan)
    factor = np.ones(amounts.shape[1])
    for member in range(amounts.shape[1]):
        rows = known[:, member]
        if not rows.any():
            continue
        y = np.log1p(amounts[rows, member])
        base[member] = y.mean()
        if rows.sum() >= 50 and y.std() > 1e-9:
            a = x[rows]
            slope = np.linalg.solve(a.T @ a + 20 * np.eye(a.shape[1]), a.T @ (y - y.mean()))
            weights[:, member] = slope / np.where(spread > 1e-9, spread, 1.0)
            base[member] = y.mean() - centre @ weights[:, member]
        said = np.expm1(figures[rows] @ weights[:, member] + base[member])
        factor[member] = amounts[rows, member].sum() / max(said.sum(), 1e-9)
    return {"weights": weights, "base": base, "factor": factor}
