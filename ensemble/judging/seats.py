"""The judges within judges: their names, and on which candidates each of them gave its ballot."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from judges.judge import JUDGES, Judge
from judges.registry import Plugin
from judges.shrinkage import SHRUNK
from judges.types import CandidateId, Verdict

Kind = Literal["all", "narrowed", "pairs"]
_KINDS: Mapping[str, Kind] = {"jury": "all", "staged": "narrowed", "tournament": "pairs"}
"""What a panel lets its seats see: all candidates, those that earlier stages left, or two at a time."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A verdict with what it was on. ``parent`` is the verdict that it went into, None where it stands alone.

    ``field`` is None where it cannot be known: the ballot of a panel that is no longer in the configuration.
    """

    verdict: Verdict
    field: frozenset[CandidateId] | None
    parent: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Seats:
    """Every judge of a configuration by digest, nested ones too; ``names`` are places such as ``house.seats.0``."""

    judges: Mapping[str, Judge] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, judges: Mapping[str, Judge]) -> "Seats":
        """The seats of ``judges`` by name; where two are equal, the first counts."""
        known: dict[str, Judge] = {}
        names: dict[str, str] = {}
        # Those with a name of their own go first, since that is how their owner knows them.
        for place, judge in (*judges.items(), *(each for one in judges.items() for each in _nested(*one))):
            known.setdefault(judge.digest, judge)
            names.setdefault(judge.digest, place)
        return cls(known, names)

    def heard(self, verdict: Verdict, shown: Iterable[CandidateId]) -> Iterator[Heard]:
        """``verdict`` on the candidates ``shown``, then its ballots, then theirs.

        Of a verdict that was shrunk towards logged means it is the plain one, which alone is the judge's own.
        """
        plain = verdict.ballots[0] if SHRUNK in verdict.flags and verdict.ballots else verdict
        yield from self._heard(Heard(plain, frozenset(shown)))

    def _heard(self, one: Heard) -> Iterator[Heard]:
        yield one
        for ballot, shown in zip(one.verdict.ballots, self._fields(one), strict=True):
            yield from self._heard(Heard(ballot, shown, one.verdict))

    def _fields(self, one: Heard) -> list[frozenset[CandidateId] | None]:
        ballots = one.verdict.ballots
        judge = self.judges.get(one.verdict.judge)
        kind = _KINDS.get(judge.use) if judge else None
        if kind == "all" or not ballots:
            return [one.field] * len(ballots)
        if kind == "pairs":
            matches = [frozenset(match.shown) for match in one.verdict.preferences[: len(ballots)]]
            return [*matches, *[None] * (len(ballots) - len(matches))]
        if kind is None or one.field is None:
            return [None] * len(ballots)
        fields: list[frozenset[CandidateId] | None] = []
        left = one.field
        for ballot in ballots:
            fields.append(left)
            if ballot.outcome == "tie":
                left = frozenset(ballot.winners)
        return fields


def _nested(place: str, part: Plugin) -> Iterator[tuple[str, Judge]]:
    for inner, held in part.parts():
        where = f"{place}.{inner}"
        if isinstance(held, Judge):
            yield where, held
        yield from _nested(where, held)


def remade(judge: Judge, change: Callable[[str, object], object]) -> Judge | None:
    """``judge`` with options, nested ones too, as ``change`` makes them of key and value; None where none changes.

    Not loaded yet.

    Raises:
        InvalidOptions: it cannot be with the new options.
    """
    options = judge.model_dump()
    changed = _changed(options, change)
    return None if changed == options else JUDGES.build(changed)


def _changed(tree: Any, change: Callable[[str, object], object]) -> Any:
    if isinstance(tree, Mapping):
        return {key: change(key, _changed(value, change)) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_changed(one, change) for one in tree)
    return tree
