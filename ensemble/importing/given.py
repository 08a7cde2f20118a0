"""What any format of import comes down to: a prompt, answers with their authors, and perhaps who was best."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

from ensemble.labelling.rows import BadRow, Reject, Row, shown
from ensemble.labelling.sources import Raw
from ensemble.money import NANO
from ensemble.providers._shapes import MOST
from judges.types import Completion, Usage

MOST_NAME = 200
"""Characters of a member's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One output. ``completion.usage.nano_usd`` and ``total_s`` (seconds) are None where they are not given."""

    member: str
    completion: Completion
    total_s: float | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One prompt with its answers.

    ``best`` holds the places of the best answers, none where all are bad; None where nobody said. ``at`` is when the
    answers were made, None where unknown. ``dataset`` is the set that the row itself says it is of, or None.
    """

    row: Row
    answers: tuple[Answer, ...]
    best: frozenset[int] | None = None
    at: datetime | None = None
    dataset: str | None = None


class Format(Protocol):
    """Understands what a file of one kind yields. A row that does not fit becomes a reject, and the rest goes on."""

    def read(self, source: Iterator[Raw]) -> Iterator[Given | Reject]:
        """Every row, one at a time. Blocks."""
        ...


@dataclass(frozen=True, slots=True)
class Scale:
    """Which scores a file has: ``low`` is the worst and ``high`` the best; they become 0 and 1."""

    low: float = 0.0
    high: float = 1.0

    def score(self, name: str, value: object) -> float | None:
        """``value`` in [0, 1], None for an empty cell. Raises BadRow."""
        given = number(name, float(value) if isinstance(value, bool) else value)
        if given is None:
            return None
        if not self.low <= given <= self.high:
            told = f"{name}: {given:g} is not between {self.low:g} and {self.high:g}"
            raise BadRow(f"{told}; say with --scale LOW:HIGH how far scores go")
        return (given - self.low) / (self.high - self.low)


FROM_0_TO_1 = Scale()


def number(name: str, value: object) -> float | None:
    """``value`` as a number, None for an empty cell, null or NaN. Raises BadRow."""
    if value is None or value == "":
        return None
    try:
        found = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.inf
    except (ValueError, OverflowError):
        found = math.inf
    if math.isinf(found):
        raise BadRow(f"{name}: it must be a number")
    return None if math.isnan(found) else found


def positive(name: str, value: object, unit: float = 1.0) -> float | None:
    """``value`` times ``unit`` as a number that is not negative, None where it is unknown. Raises BadRow."""
    found = number(name, value)
    if found is not None and found < 0:
        raise BadRow(f"{name}: it must not be negative")
    return None if found is None else found * unit


def dollars(name: str, value: object) -> int | None:
    """``value``, US dollars, as nano-USD; None where it is unknown. Raises BadRow."""
    if positive(name, value) is None:
        return None
    # The shortest text of a float is what the file said.
    exact = round(Decimal(str(value)) * NANO)
    if exact > MOST:
        raise BadRow(f"{name}: it is more than a million dollars")
    return exact


def member(name: str, value: object) -> str:
    """``value`` as the name of a member. Raises BadRow."""
    if not isinstance(value, str) or not value.strip() or len(value) > MOST_NAME:
        raise BadRow(f"{name}: it must be the name of who answered, 1 to {MOST_NAME} characters")
    return encodable(name, value)


def encodable(name: str, value: object) -> str:
    """``value`` as text that can be written. Raises BadRow."""
    if not isinstance(value, str):
        raise BadRow(f"{name}: it must be a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRow(f"{name}: it holds what is no text in UTF-8") from None
    return value


def moment(value: object) -> datetime | None:
    """``value``, seconds since 1970 or ISO text, as UTC; None where it is no time."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def said(text: str, *, nano_usd: int | None = None) -> Completion:
    """A plain answer of known text."""
    return Completion(text=text, finish_reason="stop", usage=Usage(nano_usd=nano_usd))


class Understand(Protocol):
    """Makes one row of what a source yields."""

    def __call__(self, position: int, tree: Mapping[str, object], /) -> Given:
        """Raises BadRow."""
        ...


def one_by_one(source: Iterator[Raw], understand: Understand) -> Iterator[Given | Reject]:
    """What ``understand`` makes of each row; a row that does not fit is a reject."""
    for raw in source:
        if isinstance(raw, Reject):
            yield raw
            continue
        position, tree = raw
        try:
            if not isinstance(tree, Mapping):
                raise BadRow("the row is no object")
            yield understand(position, tree)
        except BadRow as error:
            yield Reject(position=position, reason=str(error), text=shown(tree))
