"""What is printed of a comparison: one row per router, and sentences on what was promised; all called simulated."""

import math
from collections.abc import Sequence

from ensemble.money import usd
from ensemble.showcase.drive import Options, Outcome
from ensemble.showcase.score import TARGET, Line, winner
from ensemble.training.intervals import Interval

HEAD = (
    "simulated: router",
    "right",
    "quality / large",
    "cost / large",
    "right member, ties count",
    "informative rows",
    "one right, the cheapest",
    "regret",
)
"""The three readings of routing accuracy are explained in the README's "Routers under examination"."""


def rows(found: Sequence[Line]) -> list[tuple[str, ...]]:
    """One row of text per router, under ``HEAD``; figures with 95 % intervals."""
    return [
        (
            one.router,
            spread(one.quality),
            spread(one.quality_ratio),
            spread(one.cost_ratio),
            *(spread(each.value) for each in one.accuracy.values()),
            spread(one.regret),
        )
        for one in found
    ]


def constants(found: Sequence[Line]) -> str:
    """The best constant choice of each reading, beside which routing accuracy is to be held."""
    each = [f"{one.constant} {one.constant_value.point:.3f}" for one in found[0].accuracy.values()]
    return f"simulated: the best constant choice of the three readings: {', '.join(each)}"


def sentences(outcome: Outcome, options: Options) -> list[str]:
    """What was run, what came of the promises, and who is to be served."""
    said = [
        f"simulated: {outcome.labelled} requests labelled by a judge that is wrong with {options.noise:g} and goes by "
        f"length with {options.length_bias:g}, for ${usd(outcome.label_nano_usd)}; {options.score} others scored by "
        f"their truth; seed {options.seed}, {outcome.seconds:.0f} s",
        constants(outcome.lines),
    ]
    kept = outcome.promises
    if not math.isnan(kept.greetings_small):
        said.append(f"simulated: rules sends {kept.greetings_small:.1%} of greetings to small")
    if not math.isnan(kept.critical_below):
        said.append(f"simulated: rules sends {kept.critical_below:.1%} of critical decisions below large")
    if not math.isnan(kept.unswayed):
        said.append(f"simulated: llm names the same member for {kept.unswayed:.1%} of requests that demand another")
    said += [f"simulated: {name} is missing: {why}" for name, why in outcome.left_out.items()]
    best = winner(outcome.lines)
    said.append(
        f"simulated: the cheapest at {TARGET:.0%} of always-large's quality is {best.router}: "
        f"{1 - best.cost_ratio.point:.1%} saved at {spread(best.quality_ratio)} of the quality"
    )
    return said


def spread(one: Interval) -> str:
    """A figure with its interval."""
    return f"{one.point:.3f} [{one.low:.3f}, {one.high:.3f}]"
