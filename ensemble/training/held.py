"""Labelled requests to measure routers on: the table, and what a router and a panel need beside it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble.routers._features import as_said, utterance_of
from ensemble.store.examples import Example
from ensemble.training.table import BoolArray, FloatArray, Table, from_labels, hashed
from ensemble.types import Label
from judges.heuristics._evidence import NONE, evidence
from judges.learning.model import EVIDENCE


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """n labelled requests over m members.

    Attributes:
        table: their labels, with the answers where they were kept.
        examples: n, what each row is made of.
        people: (n, m) what most people find best; empty rows where nobody told.
        propensity: (n, m) probability with which a member was called; NaN where that is unknown.
        judge_nano_usd: n, what judging the row cost; NaN where that is unknown.
    """

    table: Table
    examples: tuple[Example, ...]
    people: BoolArray
    propensity: FloatArray
    judge_nano_usd: FloatArray

    def __len__(self) -> int:
        return len(self.table)

    def seen_by(self, kind: str) -> "Held":
        """The requests as what is trained of ``kind`` reads them. Blocks."""
        return self.spoken() if kind == "semantic" else self.checked() if kind == "scorer" else self

    def spoken(self) -> "Held":
        """The requests as semantic routers read them: what the user said last is the text; without it, none."""
        texts = tuple(utterance_of(example.label.messages) for example in self.examples)
        said = replace(self, table=replace(self.table, texts=texts))
        return said.take([row for row, text in enumerate(texts) if text.strip()])

    def checked(self) -> "Held":
        """The requests as scorers read them: with what verifiers and logprobs say of each answer. Blocks."""
        told = [
            [NONE if said is None else evidence(one.messages, one.prompt.response_format, said) for said in row]
            for one, row in ((one, map(one.completion, self.table.members)) for one in self.examples)
        ]
        shape = (*self.table.quality.shape, EVIDENCE)
        return replace(self, table=replace(self.table, evidence=np.array(told, dtype=np.float64).reshape(shape)))

    def take(self, rows: NDArray[Any] | Sequence[int]) -> "Held":
        """The given rows (a mask or indices), in that order."""
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == np.bool_ else index.astype(np.int64)
        return replace(
            self,
            table=self.table.take(index),
            examples=tuple(self.examples[row] for row in index),
            people=self.people[index],
            propensity=self.propensity[index],
            judge_nano_usd=self.judge_nano_usd[index],
        )

    def unseen(self, trained_on: frozenset[str]) -> BoolArray:
        """Rows (n,) that a router was not fitted on, by id, conversation and text, or what was said last."""
        table = self.table
        said = (as_said(hashed(utterance_of(example.label.messages))) for example in self.examples)
        rows = zip(table.ids, table.groups, map(hashed, table.texts), said, strict=True)
        return np.array([trained_on.isdisjoint(row) for row in rows], np.bool_)


def hold(
    examples: Iterable[Example],
    *,
    members: Sequence[str] | None = None,
    digests: Mapping[str, str | None] | None = None,
) -> Held:
    """Examples as arrays, without those from which nothing can be learned (see ``from_labels``).

    With ``digests``, what members are now, an answer counts for none of them that a member gave when it was another
    model, or had other options.
    """
    kept = [one for one in examples if one.label.usable or one.label.kind == "all_bad"]
    table = _as_now(from_labels(map(_as_found, kept), members=members), kept, digests or {})
    names, shape = table.members, (len(kept), len(table.members))
    drawn = [
        [one.label.propensities.get(name, 0.0) if one.label.propensities else np.nan for name in names] for one in kept
    ]
    judging = [np.nan if one.judge_nano_usd is None else one.judge_nano_usd for one in kept]
    outputs = tuple(tuple(one.answers.get(name) for name in names) for one in kept)
    return Held(
        table=replace(table, outputs=outputs, alike=tuple(one.alike for one in kept)),
        examples=tuple(kept),
        people=np.array([[name in (one.people or ()) for name in names] for one in kept], np.bool_).reshape(shape),
        propensity=np.array(drawn, dtype=np.float64).reshape(shape),
        judge_nano_usd=np.array(judging, dtype=np.float64),
    )


def _as_found(one: Example) -> Label:
    """The label of ``one`` that knows nothing of members whom the finding is not on.

    Of a cascade, an earlier stage's answer was paid for, and never compared with those that were judged later.
    """
    label = one.label
    if label.scores or one.judged is None or not label.complete:
        return label
    best = frozenset[str]() if label.kind == "all_bad" else label.best
    return replace(label, scores={name: float(name in best) for name in one.judged})


def _as_now(table: Table, examples: Sequence[Example], digests: Mapping[str, str | None]) -> Table:
    """``table`` with what is known of a member that has changed since as unknown."""
    rows = [[_changed(one.digests.get(name), digests.get(name)) for name in table.members] for one in examples]
    changed = np.array(rows, np.bool_).reshape(table.quality.shape)
    return replace(
        table,
        quality=np.where(changed, np.nan, table.quality),
        nano_usd=np.where(changed, np.nan, table.nano_usd),
        seconds=np.where(changed, np.nan, table.seconds),
        best=table.best & ~changed,
    )


def _changed(then: str | None, now: str | None) -> bool:
    return then is not None and now is not None and then != now
