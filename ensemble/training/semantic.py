"""From labels to domains: where they lie, how near is near enough, and what members are worth in each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ensemble.routers._domains import Domains, by_examples
from ensemble.routers._embedding import CHARACTERS, WORDS, TfIdf, hash_of_model, static, unit
from ensemble.routers.semantic import Semantic
from ensemble.training.fit import FOLDS, quality_of
from ensemble.training.parts import LEAST_REQUESTS, PRIOR, vocabulary
from ensemble.training.splits import fold_of
from ensemble.training.table import BoolArray, FloatArray, IntArray, Table

SHARES = (0.02, 0.1, 0.25, 0.5, 0.75)
"""Shares of a domain's own requests that a threshold may leave out."""
NEVER = 2.0
"""Threshold of a domain that says nothing of its requests: no cosine reaches it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scheme:
    """How a semantic router sees requests.

    Attributes:
        examples: what users say, by domain; empty for domains that labels name, each at the middle of its requests.
        encode: texts as vectors; None for TF-IDF over the labelled requests.
        told: what the manifest says of the vectors, by which serving knows that its own are the same.
    """

    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)
    encode: Callable[[Sequence[str]], Any] | None = None
    told: Mapping[str, str] = field(default_factory=lambda: {"by": "words"})


def scheme_of(router: Semantic) -> Scheme:
    """How the configured ``router`` sees requests; an embedder is left to the caller. Reads its model: blocks.

    Raises:
        InvalidOptions: its model cannot be read.
    """
    examples = {name: domain.examples for name, domain in router.domains.items()}
    if router.model2vec is None:
        return Scheme(examples=examples)
    told = {"by": "model2vec", "sha256": hash_of_model(router.model2vec)}
    return Scheme(examples=examples, encode=static(router.model2vec).encode, told=told)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedDomains:
    """What serving reads, and what was predicted (n, m) of requests that were not seen: quality and nano-USD.

    ``requests`` (k + 1,) counts what is near to each domain, and to none.
    """

    state: Mapping[str, Any]
    unseen: FloatArray
    bill: FloatArray | None
    requests: IntArray

    def told(self) -> Iterator[tuple[str, float, int]]:
        """Name, threshold and number of requests of each domain."""
        for place, name in enumerate(self.state["names"]):
            yield name, float(self.state["thresholds"][place]), int(self.requests[place])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ground:
    """n requests: vectors (n, d), place of the domain that the label names (-1 for none), targets (n, m), weights (n,).

    ``fixed`` are domains that do not depend on the labels.
    """

    vectors: Any
    places: IntArray
    fixed: Domains | None
    names: Sequence[str]
    targets: FloatArray
    weights: FloatArray
    groups: Sequence[str]
    seed: int


def sorted_(table: Table) -> Table:
    """``table`` in an order of its own, so that equal labels give an equal model."""
    return table.take(np.lexsort((np.array(table.ids), np.array(table.groups))))


def names_of(table: Table, scheme: Scheme) -> Sequence[str]:
    """The domains: those of the examples, else those that labels of enough conversations name."""
    if scheme.examples:
        return list(scheme.examples)
    groups: dict[str, set[str]] = {}
    for name, group in zip(table.domains, table.groups, strict=False):
        if name:
            groups.setdefault(name, set()).add(group)
    return sorted(name for name, held in groups.items() if len(held) >= LEAST_REQUESTS)


def fit_domains(table: Table, scheme: Scheme, *, seed: int = 0) -> FittedDomains:
    """Learn thresholds, and the members' quality, cost and time per domain, from a ``sorted_`` table. Blocks.

    A threshold is the one from which on the domain's mean says more of unseen requests than the mean of all, by
    squared error of the differences between members; it is chosen within each fold that predicts.
    """
    names = names_of(table, scheme)
    words = TfIdf(None, None) if scheme.encode else _words(table)
    encode = scheme.encode or words.encode
    fixed = None
    if scheme.examples:
        vectors = encode([text for texts in scheme.examples.values() for text in texts])
        fixed = by_examples(vectors, [len(texts) for texts in scheme.examples.values()], [0.0] * len(names))
    ground = _Ground(
        vectors=encode(table.texts),
        places=np.array([names.index(one) if one in names else -1 for one in table.domains or [None] * len(table)]),
        fixed=fixed,
        names=names,
        targets=quality_of(table),
        weights=table.weights,
        groups=table.groups,
        seed=seed,
    )
    everything = np.ones(len(table), np.bool_)
    domains = _domains(ground, everything)
    rows = domains.rows(ground.vectors)
    unseen, bill = np.empty_like(ground.targets), np.empty_like(ground.targets)
    place = fold_of(table.groups, FOLDS, seed=seed)
    for part in range(FOLDS):
        here = _domains(ground, place != part)
        near = here.rows(ground.vectors)
        for out, values in ((unseen, ground.targets), (bill, table.nano_usd)):
            out[place == part] = _means(ground, values, near, place != part)[near[place == part]]
    state = {
        "names": list(names),
        "prototypes": _dense(domains.prototypes),
        "owners": domains.owners,
        "thresholds": domains.thresholds,
        "quality": _means(ground, ground.targets, rows, everything),
        "nano_usd": _known_means(ground, table.nano_usd, rows),
        "seconds": _known_means(ground, table.seconds, rows),
        "words": words.words,
        "characters": words.characters,
    }
    known = state["nano_usd"] is not None
    return FittedDomains(
        state=state,
        unseen=unseen,
        bill=bill if known else None,
        requests=np.bincount(rows, minlength=len(names) + 1),
    )


def _dense(prototypes: Any) -> FloatArray:
    """Rows as skops writes them: it knows no sparse matrices."""
    found: FloatArray = np.asarray(prototypes.todense() if hasattr(prototypes, "todense") else prototypes)
    return found.astype(np.float32)


def _words(table: Table) -> TfIdf:
    return TfIdf(*(vocabulary(table.texts, table.groups, norm=None, **how) for how in (WORDS, CHARACTERS)))


def _domains(ground: _Ground, rows: BoolArray) -> Domains:
    """Domains as the given rows tell of them, thresholds included."""
    return replace(_placed(ground, rows), thresholds=_thresholds(ground, rows))


def _placed(ground: _Ground, rows: BoolArray) -> Domains:
    """Where domains lie: at their examples, else in the middle of the requests that labels put there."""
    if ground.fixed is not None:
        return ground.fixed
    middles = [
        np.asarray(ground.vectors[rows & (ground.places == place)].sum(axis=0)).ravel()
        for place in range(len(ground.names))
    ]
    return by_examples(unit(np.stack(middles)).astype(np.float32), [1] * len(middles), [0.0] * len(middles))


def _thresholds(ground: _Ground, rows: BoolArray) -> FloatArray:
    """The threshold (k,) of each domain that predicts rows best which did not help to place it."""
    fold = fold_of(ground.groups, FOLDS, seed=ground.seed + 1)
    cosines = np.full((len(rows), len(ground.names)), np.nan)
    for part in range(FOLDS):
        held = rows & (fold == part)
        if held.any():
            cosines[held] = _placed(ground, rows & (fold != part)).similarities(ground.vectors[held])
    near = np.where(rows, np.nan_to_num(cosines, nan=-1.0).argmax(axis=1), -1)
    found = np.full(len(ground.names), NEVER)
    for place in range(len(found)):
        inside = near == place
        if not inside.any():
            continue
        tried = _candidates(cosines[inside, place], cosines[rows & ~inside, place])
        errors = [_error(ground, rows, fold, inside & (cosines[:, place] >= least)) for least in tried]
        if min(errors) < -1e-9:  # else the domain says nothing
            found[place] = tried[int(np.argmin(errors))]
    return found


def _candidates(own: FloatArray, others: FloatArray) -> FloatArray:
    """Thresholds worth trying: shares of a domain's ``own`` cosines, and the middle between them and the ``others``."""
    shares = np.quantile(own, SHARES)
    border = np.quantile(others, 1 - SHARES[0]) if len(others) else 0.0
    return np.unique([*shares, (shares[0] + min(border, shares[0])) / 2])


def _error(ground: _Ground, rows: BoolArray, fold: IntArray, inside: BoolArray) -> float:
    """Squared error on the rows ``inside`` a domain, less what it is where nothing is known of the domain."""
    total = 0.0
    for part in range(FOLDS):
        seen, held = rows & (fold != part), inside & (fold == part)
        general = _means(ground, ground.targets, np.zeros(len(rows)), seen, groups=1)[0]
        own = _means(ground, ground.targets, inside.astype(np.int64), seen, groups=2)[1]
        true = ground.targets[held]
        off = [np.nansum((_differences(true) - _differences(mean, true)) ** 2, axis=1) for mean in (own, general)]
        total += float((ground.weights[held] * (off[0] - off[1])).sum())
    return total


def _differences(values: FloatArray, known: FloatArray | None = None) -> FloatArray:
    """Values (n, m), or (m,) of every row, less their mean over the members whose value is ``known`` (n, m)."""
    held = np.where(np.isnan(values if known is None else known), np.nan, values)
    total = np.nansum(held, axis=1, keepdims=True)
    off: FloatArray = held - total / np.maximum(1, (~np.isnan(held)).sum(axis=1, keepdims=True))
    return off


def _means(ground: _Ground, values: FloatArray, near: Any, rows: BoolArray, *, groups: int | None = None) -> FloatArray:
    """Weighted mean (groups, m) of the given rows by what they are near to, each drawn to the mean of all rows.

    NaN where no value of a member is known at all.
    """
    known = ~np.isnan(values) & rows[:, None]
    weight = known * ground.weights[:, None]
    filled = np.where(known, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        overall = (weight * filled).sum(axis=0) / weight.sum(axis=0)
    wanted = len(ground.names) + 1 if groups is None else groups
    member = (near[None, :] == np.arange(wanted)[:, None]).astype(np.float64)
    found: FloatArray = (member @ (weight * filled) + PRIOR * overall) / (member @ weight + PRIOR)
    return found


def _known_means(ground: _Ground, values: FloatArray, near: IntArray) -> FloatArray | None:
    found = _means(ground, values, near, np.ones(len(near), np.bool_))
    return None if np.isnan(found).all() else found
