"""What a router has to beat: chance, one member for everything, the length of the request; and what none can beat."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ensemble.training.accuracy import best_single, cheapest, cheapest_of_best, mean_costs, shares
from ensemble.training.frontier import choose
from ensemble.training.splits import fold_of
from ensemble.training.table import FloatArray, Table

STRETCHES = 10
"""Stretches of length, each with as many requests, in which the length router learns the members' qualities."""


def baselines(table: Table) -> Mapping[str, FloatArray]:
    """Choices (n, m) by name, on rows whose qualities are all known; who is cheapest or best is read off those rows."""
    n, m = table.quality.shape
    return {
        "random": np.full((n, m), 1.0 / m),
        "cheapest": _always(table, cheapest(table)),
        "best single": _always(table, best_single(table)),
        "length only": choose(length_quality(table), mean_costs(table), 0.0),
        "oracle": _oracle(table),
    }


def lengths(table: Table) -> FloatArray:
    """Characters of each request (n,)."""
    return np.array([len(text) for text in table.texts], dtype=np.float64)


def length_quality(table: Table, *, parts: int = 5, seed: int = 0) -> FloatArray:
    """Quality (n, m) as the length of the request alone predicts it: the mean of its stretch, learnt on other folds."""
    length = lengths(table)
    place = fold_of(table.groups, parts, seed=seed)
    out = np.tile(table.quality.mean(axis=0), (len(table), 1)) if len(table) else np.empty(table.quality.shape)
    for part in range(parts):
        train, test = place != part, place == part
        if not train.any() or not test.any():
            continue
        borders = np.unique(np.quantile(length[train], np.linspace(0, 1, STRETCHES + 1)[1:-1]))
        here, there = (np.searchsorted(borders, length[rows]) for rows in (train, test))
        for stretch in range(len(borders) + 1):
            known = table.quality[train][here == stretch]
            if len(known):
                out[np.flatnonzero(test)[there == stretch]] = known.mean(axis=0)
    return out


def _always(table: Table, member: int) -> FloatArray:
    return shares(np.full(len(table), member, dtype=np.int64), len(table.members))


def _oracle(table: Table) -> FloatArray:
    """The cheapest of the best, and the cheapest member where nobody is right."""
    top = table.quality == table.quality.max(axis=1, keepdims=True, initial=-np.inf)
    right = cheapest_of_best(replace(table, best=top & (table.quality > 0)))
    lost = ~right.any(axis=1)
    out = right.astype(np.float64)
    out[lost, cheapest(table)] = 1.0
    return out
