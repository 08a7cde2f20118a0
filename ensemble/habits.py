"""How members have answered and judges have judged so far: what an estimate for a new request rests on.

Upper quantiles are those of split conformal prediction (Vovk et al., "Algorithmic Learning in a Random World", 2005):
of n values, the one at rank ceil((n + 1) * 0.99) is not exceeded by the next one with a chance of 99 %, whatever the
distribution, as long as what comes is like what was.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from judges.types import Usage

SURE = 0.99
"""Chance that the next value does not exceed an upper quantile."""
KEPT = 500
"""Latest values that count."""
LEAST = 20
"""Values below which nothing is concluded; from here to 99, the largest one stands for the quantile."""


class Latest:
    """The latest values of one kind, and how high the next one may be."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=KEPT)
        self._sorted: list[float] | None = None

    def add(self, value: float | None) -> None:
        """Count ``value`` in; None, an unknown one, teaches nothing."""
        if value is not None:
            self._values.append(value)
            self._sorted = None

    def upper(self, of: int = 1) -> float | None:
        """What the highest of ``of`` further values will not exceed with a chance of ``SURE``; None if too few came."""
        if len(self._values) < LEAST:
            return None
        if self._sorted is None:
            self._sorted = sorted(self._values)
        rank = math.ceil((len(self._sorted) + 1) * (1 - (1 - SURE) / of))
        return self._sorted[min(rank, len(self._sorted)) - 1]


@dataclass(slots=True)
class Habits:
    """How one member answers candidates' prompts.

    Attributes:
        growth: input tokens as billed, per token that ``estimate_tokens`` finds in a prompt of text alone.
        output_tokens: of one answer.
        seconds: from the first attempt to the answer, waiting and retries included.
    """

    growth: Latest = field(default_factory=Latest)
    output_tokens: Latest = field(default_factory=Latest)
    seconds: Latest = field(default_factory=Latest)

    def add(self, estimated: int | None, usage: Usage, seconds: float | None) -> None:
        """Count a good answer in; ``estimated`` tokens of its prompt are None where they say nothing of its size."""
        given = usage.input_tokens
        self.growth.add(given / estimated if given is not None and estimated else None)
        self.output_tokens.add(usage.output_tokens)
        self.seconds.add(seconds)


@dataclass(slots=True)
class _Sittings:
    nano_usd: Latest = field(default_factory=Latest)
    seconds: Latest = field(default_factory=Latest)


@dataclass(slots=True)
class Sittings:
    """What judging cost and how long it took, by judge (its digest) and number of candidates."""

    _known: dict[str, dict[int, _Sittings]] = field(default_factory=dict)

    def add(self, judge: str, candidates: int, nano_usd: int | None, seconds: float) -> None:
        """Count a verdict in; a cost that is unknown teaches nothing."""
        sizes = self._known.setdefault(judge, {})
        if (held := sizes.get(candidates)) is None:
            held = sizes[candidates] = _Sittings()
        held.nano_usd.add(nano_usd)
        held.seconds.add(seconds)

    def upper(self, judge: str, candidates: int) -> tuple[float | None, float | None]:
        """Nano-USD and seconds that judging will not exceed; a larger panel stands for one that is too little known."""
        sizes = self._known.get(judge, {})
        enough = [sizes[size] for size in sorted(sizes) if size >= candidates]
        costs, times = [one.nano_usd.upper() for one in enough], [one.seconds.upper() for one in enough]
        return next((c for c in costs if c is not None), None), next((t for t in times if t is not None), None)
