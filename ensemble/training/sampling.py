"""Labels beyond memory: a sample of whole conversations, drawn by hash while the labels stream by.

Bottom-k sampling (Cohen and Kaplan 2007) by a hash of the conversation: kept are the conversations whose hashes are
lowest, as many as there is room for. So a conversation is in it wholly or not at all, the order in which labels come
and the files that hold them change nothing, and a smaller sample of a seed is part of a larger one.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ensemble.store.examples import Example
from ensemble.training.splits import unit
from ensemble.training.table import group_of, text_of
from judges.heuristics.agreement import alike

MEGABYTE = 10**6
FIXED = 450 * MEGABYTE
"""Bytes that training takes however few labels there are: interpreter, libraries, terms of the language; measured."""
LEAST_MEMORY = 500 * MEGABYTE
_OF_ROW = 5_000
_OF_BYTE = 100
"""Bytes that reading and fitting take, at most, for one label and for each character of its texts; measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much may be held; None is without bound.

    Attributes:
        rows: labels.
        memory: bytes that the whole process may take, ``LEAST_MEMORY`` at least.
        answers: whether the texts of answers are learned from too, as scorers do; they count for memory then.
    """

    rows: int | None = None
    memory: int | None = None
    answers: bool = False

    @property
    def bounded(self) -> bool:
        """Whether there is any bound."""
        return self.rows is not None or self.memory is not None

    @property
    def told(self) -> str:
        """The bounds as options of the command line; empty where there are none."""
        parts = [f"--sample {self.rows}"] if self.rows is not None else []
        parts += [f"--memory {self.memory // MEGABYTE}MB"] if self.memory is not None else []
        return " ".join(parts)

    def holds(self, rows: int, cost: int) -> bool:
        """Whether ``rows`` labels that take ``cost`` bytes fit."""
        few = self.rows is None or rows <= self.rows
        return few and (self.memory is None or cost <= self.memory - FIXED)

    def cost(self, example: Example) -> int:
        """Bytes of memory that reading and fitting ``example`` take, at most; 0 where nobody bounds them."""
        if self.memory is None:
            return 0
        texts = [message.text for message in example.messages] + [*example.answers.values()]
        beside = sum(len(one.logprobs or "") + len(one.tool_calls or "") for one in example.stored.values())
        # Pictures and files are in no model, and are held until it is made.
        beside += sum(len(repr(one.content)) for one in example.messages if not isinstance(one.content, str))
        return _OF_ROW + _OF_BYTE * sum(map(len, texts)) + beside


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What was kept of ``read`` labels from which a router may learn, in the order in which they came."""

    examples: tuple[Example, ...]
    read: int
    room: Room

    @property
    def partial(self) -> bool:
        """Whether labels were left out."""
        return len(self.examples) < self.read

    @property
    def sentence(self) -> str:
        """How much was kept, for people."""
        return f"a sample of {len(self.examples):,} of {self.read:,} labels ({self.room.told})"

    def told(self) -> dict[str, Any]:
        """How the labels were read, for a manifest."""
        how = "a sample of whole conversations, by hash" if self.partial else "all"
        return {"labels": self.read, "kept": len(self.examples), "how": how, "room": self.room.told or None}


class _Kept:
    """The conversations that are kept so far, ready to give up the one whose hash is highest."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._heap: list[tuple[float, str]] = []
        self._groups: dict[str, list[tuple[int, int, Example]]] = {}
        self._border = 2.0
        self._rows = self._cost = 0

    def add(self, place: float, group: str, position: int, example: Example) -> None:
        """Keep ``example``, and give up what there is no room for."""
        if place >= self._border:
            return
        if group not in self._groups:
            heapq.heappush(self._heap, (-place, group))
        example = example if self._room.answers else _without_answers(example)
        cost = self._room.cost(example)
        self._groups.setdefault(group, []).append((position, cost, example))
        self._rows, self._cost = self._rows + 1, self._cost + cost
        while self._heap and not self._room.holds(self._rows, self._cost):
            self._give_up()

    def _give_up(self) -> None:
        negative, group = heapq.heappop(self._heap)
        lost = self._groups.pop(group)
        # What comes later of it, or of one behind it, has no room either.
        self._border = -negative
        self._rows -= len(lost)
        self._cost -= sum(cost for _, cost, _ in lost)

    def examples(self) -> tuple[Example, ...]:
        found = [one for group in self._groups.values() for one in group]
        return tuple(example for _, _, example in sorted(found, key=lambda one: one[0]))


def draw(examples: Iterable[Example], room: Room, *, seed: int = 0) -> Drawn:
    """Read all of ``examples`` and keep what ``room`` holds, whole conversations by their hash. Blocks.

    One conversation that has no room by itself leaves none to those behind it, and the sample may be empty.
    """
    kept, read = _Kept(room), 0
    for one in examples:
        if one.label.usable or one.label.kind == "all_bad":
            group = group_of(one.label)
            # Not the hash by which a part is held back, else a small sample would be held back as a whole.
            kept.add(unit(f"sample:{group}", seed), group, read, one)
            read += 1
    return Drawn(examples=kept.examples(), read=read, room=room)


def _without_answers(one: Example) -> Example:
    """``one`` with no more of its answers than which of them say the same."""
    same = alike(one.answers, text_of(one.messages)) if one.alike is None else one.alike
    return replace(one, answers={}, stored={}, ballots=(), alike=same)
