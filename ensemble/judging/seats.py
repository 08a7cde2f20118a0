"""The judges within judges: their names, and on which candidates each of them gave its ballot."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from judges.judge import Judge
from judges.registry import Plugin
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
        """``verdict`` on the candidates ``shown``, then its ballots, then theirs."""
        yield from self._heard(Heard(verdict, frozenset(shown)))

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
