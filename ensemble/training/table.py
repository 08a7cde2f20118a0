"""Labels as arrays: n requests by m members, the one shape that fitting, splitting and measuring share."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ensemble.routers._features import text_of as text_of
from ensemble.types import Label

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """n requests x m members. NaN is unknown.

    Attributes:
        ids: n, request ids.
        texts: n, what a router may read: the conversation as one text.
        members: m names.
        quality: (n, m) in [0, 1].
        nano_usd: (n, m) cost of the member's answer.
        seconds: (n, m) until the member's answer was there.
        best: (n, m) the evaluator's winning set; empty where nothing was acceptable or the row may not vote.
        groups: n, conversation, else a hash of the text: rows of one group are never split.
        arrived: n, UTC text in the order of time; "" where unknown.
        weights: n, the judge's confidence, 1 where unknown.
        usable: n; a row that is not trains quality and never votes (all answers were bad).
        outputs: n x m answers, for cascades; None where they were not read.
        domains: n subjects, or empty.
        alike: n, by member a number that answers share which surely say the same; None where only ``outputs`` tell.
        evidence: (n, m, ``EVIDENCE``) what verifiers and logprobs say of each answer; None where nobody looked.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    members: tuple[str, ...]
    quality: FloatArray
    nano_usd: FloatArray
    seconds: FloatArray
    best: BoolArray
    groups: tuple[str, ...]
    arrived: tuple[str, ...]
    weights: FloatArray
    usable: BoolArray
    outputs: tuple[tuple[str | None, ...], ...] | None = None
    domains: tuple[str | None, ...] = ()
    evidence: FloatArray | None = None
    alike: tuple[Mapping[str, int] | None, ...] = ()

    def __post_init__(self) -> None:
        n, m = len(self.ids), len(self.members)
        if len(set(self.members)) < m:
            raise ValueError("members: a member is named twice")
        for name in ("quality", "nano_usd", "seconds", "best"):
            if getattr(self, name).shape != (n, m):
                raise ValueError(f"{name}: shape {getattr(self, name).shape}, expected {(n, m)}")
        for name in ("texts", "groups", "arrived", "weights", "usable"):
            if len(getattr(self, name)) != n:
                raise ValueError(f"{name}: {len(getattr(self, name))} rows, expected {n}")
        quality = self.quality[~np.isnan(self.quality)]
        if quality.size and (quality.min() < 0 or quality.max() > 1):
            raise ValueError(f"quality: from {quality.min():g} to {quality.max():g}, must lie in [0, 1]")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def known(self) -> BoolArray:
        """Rows (n,) in which the quality of every member is known."""
        return np.logical_not(np.isnan(self.quality).any(axis=1))

    def take(self, rows: NDArray[Any] | Sequence[int]) -> "Table":
        """The given rows (a mask or indices), in that order."""
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == np.bool_ else index.astype(np.int64)
        changes: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                changes[field.name] = value[index]
            elif field.name != "members" and value:
                changes[field.name] = tuple(value[row] for row in index)
        return replace(self, **changes)

    def only(self, members: Sequence[str]) -> "Table":
        """The given members alone, in that order; a winning set that holds none of them becomes empty.

        Raises:
            ValueError: one of them is not in the table.
        """
        if missing := [name for name in members if name not in self.members]:
            raise ValueError(f"members: {', '.join(missing)} is not among {', '.join(self.members)}")
        index = [self.members.index(name) for name in members]
        arrays = {name: getattr(self, name)[:, index] for name in ("quality", "nano_usd", "seconds", "best")}
        outputs = self.outputs and tuple(tuple(row[place] for place in index) for row in self.outputs)
        evidence = None if self.evidence is None else self.evidence[:, index]
        return replace(self, members=tuple(members), outputs=outputs, evidence=evidence, **arrays)


def winners(quality: FloatArray, least: float = 0.0) -> BoolArray:
    """The winning set (n, m) that qualities alone imply: all that share the highest one, where that is above ``least``.

    A row in which some quality is unknown has its winners among the known ones.
    """
    top = np.where(np.isnan(quality), -np.inf, quality)
    highest = top.max(axis=1, keepdims=True) if quality.shape[1] else top
    found: BoolArray = (top == highest) & (top > least)
    return found


def hashed(text: str) -> str:
    """The group of a request that belongs to no conversation: equal texts fall into one."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def group_of(label: Label) -> str:
    """What a label belongs to that must never be split: its conversation, else all labels of the same text."""
    return label.conversation or hashed(text_of(label.messages))


def from_labels(labels: Iterable[Label], *, members: Sequence[str] | None = None) -> Table:
    """Labels as a table, in their order; without those from which no router may learn, such as a fallback's.

    Where all answers were bad there is no winner to vote for, but the qualities stay. Where the evaluator gave no
    scores, winning is the quality: 1 for the winners, 0 for the others of a panel that was judged as a whole.
    ``members`` are the columns; left out, every member that a label names, in alphabetical order.
    """
    kept = [label for label in labels if label.usable or label.kind == "all_bad"]
    voting = np.array([label.kind != "all_bad" for label in kept], dtype=np.bool_)
    names = tuple(members) if members is not None else _members(kept)
    texts = tuple(text_of(label.messages) for label in kept)

    shape = (len(kept), len(names))

    def grid(values: Iterable[Mapping[str, float | None]]) -> FloatArray:
        return np.array([[one.get(member) for member in names] for one in values], dtype=np.float64).reshape(shape)

    return Table(
        ids=tuple(label.request for label in kept),
        texts=texts,
        members=names,
        quality=grid(map(_quality, kept)),
        nano_usd=grid(label.nano_usd for label in kept),
        seconds=grid(label.total_s for label in kept),
        best=np.array([[m in label.best for m in names] for label in kept], np.bool_).reshape(shape) & voting[:, None],
        groups=tuple(map(group_of, kept)),
        arrived=tuple(label.arrived for label in kept),
        weights=np.array([1.0 if label.confidence is None else label.confidence for label in kept]),
        usable=voting,
        domains=tuple(label.domain for label in kept),
    )


def _quality(label: Label) -> Mapping[str, float]:
    if label.scores:
        return label.scores
    best = frozenset[str]() if label.kind == "all_bad" else label.best
    judged = {*label.nano_usd, *label.total_s, *best} if label.complete else best
    return {member: float(member in best) for member in judged}


def _members(labels: Iterable[Label]) -> tuple[str, ...]:
    return tuple(sorted({name for label in labels for name in (*label.scores, *label.nano_usd, *label.best)}))
