"""How likely a simulated model solves a task: by its tier, its family's strengths and what was done to it since."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

ABILITY = {"small": 0.5, "balanced": 0.74, "large": 0.95}
"""The difficulty at which a tier is right every second time."""
STEEPNESS = 9.0
BEST = 0.985
"""Everyone slips now and then."""

FAMILY: Mapping[str, Mapping[str, float]] = {
    "oak": {"arithmetic": 0.12, "units": 0.08, "knowledge": 0.1, "logic": -0.1, "code": -0.08, "extraction": -0.1},
    "birch": {"arithmetic": -0.12, "units": -0.08, "dates": -0.05, "logic": 0.12, "code": 0.12, "extraction": 0.1},
}
"""Ability that a family has more or less of, by kind of task: what a router can learn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """The skill of one model. ``worse`` is ability that it has lost, by kind of task; ``*`` stands for every kind."""

    tier: str
    family: str
    worse: Mapping[str, float] = field(default_factory=dict)

    def chance(self, kind: str, difficulty: float) -> float:
        """Probability in (0, 1) of a right answer to a task of that kind and difficulty."""
        ability = ABILITY.get(self.tier, ABILITY["large"]) + FAMILY.get(self.family, {}).get(kind, 0.0)
        lost = self.worse.get(kind, 0.0) + self.worse.get("*", 0.0)
        return BEST / (1 + math.exp(-STEEPNESS * (ability - lost - difficulty)))
