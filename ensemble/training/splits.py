"""Parts to learn from and parts to measure on; rows of one group are never split, and row order changes nothing."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from ensemble.training.table import BoolArray, IntArray, Table


def by_group(table: Table, test: float = 0.2, *, seed: int = 0) -> tuple[BoolArray, BoolArray]:
    """Masks (train, test) by a hash of the group: a group stays on its side however the log grows.

    ``test`` is the expected share of groups to measure on.

    Raises:
        ValueError: ``test`` is not between 0 and 1.
    """
    if not 0 < test < 1:
        raise ValueError(f"test: {test:g} must lie between 0 and 1")
    held = np.array([unit(group, seed) < test for group in table.groups], dtype=np.bool_)
    return ~held, held


def by_time(table: Table, test: float = 0.2) -> tuple[BoolArray, BoolArray]:
    """Masks (train, test): what arrived last is measured on; a group goes by its first request.

    A group that began before the border is left out of the test side altogether, so nothing of the past is tested on
    and nothing of the future learnt from: rows of such a group that arrived behind the border are in neither part.

    Raises:
        ValueError: ``test`` is not between 0 and 1, or an arrival is unknown.
    """
    if not 0 < test < 1:
        raise ValueError(f"test: {test:g} must lie between 0 and 1")
    if missing := sum(not moment for moment in table.arrived):
        raise ValueError(f"arrived: {missing} rows have no time of arrival; split by group instead")
    if not len(table):
        return np.zeros(0, np.bool_), np.zeros(0, np.bool_)
    moments = np.array(table.arrived, dtype=str)
    border = np.sort(moments)[int(len(moments) * (1 - test))]
    first: dict[str, str] = {}
    for group, moment in zip(table.groups, table.arrived, strict=True):
        first[group] = min(moment, first.get(group, moment))
    starts = np.array([first[group] for group in table.groups], dtype=str)
    train: BoolArray = moments < border
    held: BoolArray = starts >= border
    return train, held


def by_time_or_group(table: Table, test: float = 0.2, *, seed: int = 0) -> tuple[bool, BoolArray, BoolArray]:
    """Whether the arrivals are known, and masks (train, test): ``by_time`` where they are, else ``by_group``.

    Raises:
        ValueError: ``test`` is not between 0 and 1.
    """
    timed = all(table.arrived) and len(set(table.arrived)) > 1
    return (timed, *(by_time(table, test) if timed else by_group(table, test, seed=seed)))


def folds(table: Table, parts: int = 5, *, seed: int = 0) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Masks (train, test) for each of ``parts`` folds by a hash of the question: each row is tested once.

    Raises:
        ValueError: fewer than two parts.
    """
    place = fold_of(table.groups, parts, seed=seed)
    for part in range(parts):
        yield place != part, place == part


def fold_of(groups: Sequence[str], parts: int = 5, *, seed: int = 0) -> IntArray:
    """The fold (n,) of each row, from 0."""
    if parts < 2:
        raise ValueError(f"parts: {parts} must be at least 2")
    # Not the hash by which ``by_group`` holds back, else what it held back, or left, would fall into few of the folds.
    return np.array([int(unit(f"fold:{group}", seed) * parts) for group in groups], dtype=np.int64)


def unit(group: str, seed: int) -> float:
    """A number in [0, 1) that depends on group and seed alone."""
    text = f"{seed}:{group}".encode("utf-8", "surrogatepass")
    # 53 bits, so that the number is below 1 however it is rounded.
    return (int.from_bytes(hashlib.sha256(text).digest()[:8]) >> 11) / 2.0**53
