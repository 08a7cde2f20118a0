"""Adding up what judging cost. An unknown figure stays unknown: None plus anything is None."""

import dataclasses
from collections.abc import Iterable

from judges.types import Usage

_FIGURES = tuple(field.name for field in dataclasses.fields(Usage))
NOTHING = Usage(**dict.fromkeys(_FIGURES, 0))
"""What asking no model costs: known to be zero, which ``Usage()`` (all unknown) is not."""


def total(spent: Iterable[Usage]) -> Usage:
    """The sum, figure by figure; of nothing at all it is ``NOTHING``. A figure unknown in one is unknown in the sum."""
    figures = list(spent)
    if len(figures) == 1:
        return figures[0]
    return Usage(**{name: _sum(getattr(one, name) for one in figures) for name in _FIGURES})


def _sum(values: Iterable[int | None]) -> int | None:
    result = 0
    for value in values:
        if value is None:
            return None
        result += value
    return result
