"""Every pattern of tasks, in the order in which a prompt is tried against them."""

from collections.abc import Mapping, Sequence

from ensemble.simulator.tasks import (
    arithmetic,
    calls,
    code,
    counting,
    critical,
    dates,
    dialogue,
    extraction,
    greeting,
    knowledge,
    logic,
    ordering,
    units,
)
from ensemble.simulator.tasks.base import Pattern

# Arithmetic comes last: its forms take almost anything with a number in it.
_HOMES = (
    greeting,
    critical,
    calls,
    dialogue,
    extraction,
    code,
    dates,
    units,
    counting,
    ordering,
    logic,
    knowledge,
    arithmetic,
)
PATTERNS: Sequence[Pattern] = tuple(pattern for home in _HOMES for pattern in home.PATTERNS)
BY_KIND: Mapping[str, Sequence[Pattern]] = {
    kind: tuple(pattern for pattern in PATTERNS if pattern.kind == kind) for kind in sorted({p.kind for p in PATTERNS})
}
