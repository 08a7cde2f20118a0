"""One comparison of a count with its expectation, and the record that it was counted from."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A count under its name. ``expected`` or ``found`` is None where the row is missing on that side.

    ``informative`` rows are printed and decide nothing, since what they count was not read from text.
    """

    part: str
    name: str
    expected: object
    found: object
    right: bool
    informative: bool = False


def compare(part: str, name: str, expected: object, found: object, *, informative: bool = False) -> Row:
    """One row; floats are right where they are the same to the last printed digit."""
    right = expected is not None and found is not None and _same(expected, found)
    return Row(part=part, name=name, expected=expected, found=found, right=right, informative=informative)


def both(
    part: str, expected: Mapping[str, object], found: Mapping[str, object], *, informative: bool = False
) -> Iterator[Row]:
    """A row for every name on either side, so that neither a missing nor a surplus one passes."""
    for name in (*expected, *(name for name in found if name not in expected)):
        yield compare(part, name, expected.get(name), found.get(name), informative=informative)


def percent(right: int, total: int) -> float:
    """A share in percent with two decimals, 0 of nothing."""
    return round(100 * right / total, 2) if total else 0.0


def _same(expected: object, found: object) -> bool:
    if isinstance(expected, float | int) and isinstance(found, float | int):
        # Rounded figures: the last digit may fall either way where the true value lies between two.
        return math.isclose(expected, found, rel_tol=0, abs_tol=1e-9)
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return expected.keys() == found.keys() and all(_same(expected[key], found[key]) for key in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(_same, expected, found))
    return expected == found
