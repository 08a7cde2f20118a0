"""How right a verdict is, and how many judge calls it takes: every scheme over every choice of comparable judges.

All come from the same recorded games, so that they differ in nothing but the scheme. A scheme's share for a pair is its
mean over all choices of judges and orders, which takes the luck of one choice out of it; the interval is that of
another set of pairs.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations, product

from judges.verification import _juries
from judges.verification._ballots import Field, Games, Read, Vote, arena_hard_on_claude, credit, interval, majority
from judges.verification._rows import Row

SEED = 20261124
PART = "schemes"
DEFAULT = "staged: two judges in opposite orders, a third where they do not decide"
"""What ``ensemble init`` configures behind the verifiers."""
Found = tuple[Vote, int]
"""A finding and the calls that it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """A way to spend judge calls. ``play`` gives a finding for each choice of judges and orders on one pair."""

    name: str
    play: Callable[[Sequence[Games]], Iterator[Found]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Shares in [0, 1], each with its 95 % interval: ``right`` by JudgeBench's rule, ``half`` with half credit."""

    name: str
    calls: float
    right: float
    right_95: tuple[float, float]
    half: float
    half_95: tuple[float, float]


def _single(games: Sequence[Games]) -> Iterator[Found]:
    for one in games:
        for vote in one:
            yield majority(vote), 1


def _swapped(games: Sequence[Games]) -> Iterator[Found]:
    for one in games:
        yield majority(*one), 2


def _opposite(games: Sequence[Games]) -> Iterator[Found]:
    for one, other in permutations(games, 2):
        yield majority(one[0], other[1]), 2


def _both_orders(seats: int) -> Callable[[Sequence[Games]], Iterator[Found]]:
    def play(games: Sequence[Games]) -> Iterator[Found]:
        for panel in combinations(games, seats):
            yield majority(*(majority(*one) for one in panel)), 2 * seats

    return play


def _one_each(seats: int) -> Callable[[Sequence[Games]], Iterator[Found]]:
    def play(games: Sequence[Games]) -> Iterator[Found]:
        for panel in combinations(games, seats):
            for votes in product(*panel):
                yield majority(*votes), seats

    return play


def _opposite_then_third(games: Sequence[Games]) -> Iterator[Found]:
    for one, other, third in permutations(games, 3):
        first = majority(one[0], other[1])
        for vote in third:
            yield _escalated(first, 2, vote, 1)


def _opposite_then_first_again(games: Sequence[Games]) -> Iterator[Found]:
    for one, other in permutations(games, 2):
        yield _escalated(majority(one[0], other[1]), 2, majority(one[1]), 1)
        yield _escalated(majority(one[0], other[1]), 2, majority(other[0]), 1)


def _opposite_then_swapped(games: Sequence[Games]) -> Iterator[Found]:
    for one, other in permutations(games, 2):
        yield _escalated(majority(one[0], other[1]), 2, majority(one[1], other[0]), 2)


def _swapped_then_swapped(games: Sequence[Games]) -> Iterator[Found]:
    for one, other in permutations(games, 2):
        yield _escalated(majority(*one), 2, majority(*other), 2)


def _escalated(first: Vote, calls: int, then: Vote, more: int) -> Found:
    """As ``staged``: a decision ends it; a second stage that says nothing leaves the tie of the first."""
    if first in ("one", "two"):
        return first, calls
    return (first if then is None else then), calls + more


SCHEMES: tuple[Scheme, ...] = (
    Scheme(name="one judge, one call", play=_single),
    Scheme(name="one judge, both orders", play=_swapped),
    Scheme(name="two judges in opposite orders", play=_opposite),
    Scheme(name=DEFAULT, play=_opposite_then_third),
    Scheme(name="staged: one judge in both orders, another where it does not decide", play=_swapped_then_swapped),
    Scheme(
        name="staged: two judges in opposite orders, one of them swapped where they do not decide",
        play=_opposite_then_first_again,
    ),
    Scheme(
        name="staged: two judges in opposite orders, the same two swapped where they do not decide",
        play=_opposite_then_swapped,
    ),
    Scheme(name="three judges, one call each", play=_one_each(3)),
    Scheme(name="two judges, both orders", play=_both_orders(2)),
    Scheme(name="five judges, one call each", play=_one_each(5)),
    Scheme(name="three judges, both orders", play=_both_orders(3)),
)


def measure(field: Field) -> tuple[Measured, ...]:
    """Every scheme over the judges of ``field``, and the weighted jury of all of them, cross-validated."""
    measured = [_measured(scheme, field) for scheme in SCHEMES if _possible(scheme, field)]
    jury = _juries.held_out(field, seed=SEED)
    name = f"weighted jury of {len(field.judges)}, both orders"
    found = {pair: [(vote, 2 * len(field.judges)) for vote in votes] for pair, votes in jury.items()}
    return (*measured, _summed(name, field, found))


def table(read: Read, _expected: Mapping[str, object]) -> Iterator[Row]:
    """A row of information per scheme, and which of them is the knee."""
    field = _field(read)
    measured = measure(field)
    yield _info("judges", f"{', '.join(field.judges)}; {len(field.pairs)} pairs; seed {SEED}")
    for one in measured:
        yield _info(
            one.name,
            f"{one.calls:.2f} calls, right {_share(one.right, one.right_95)}, "
            f"half credit for ties {_share(one.half, one.half_95)}",
        )
    found = knee(measured).name
    yield _info("knee", found)
    yield _info("the default is the knee", "yes" if found == DEFAULT else "no")


def markdown(read: Read) -> str:
    """The table as the README has it; calls are means, shares are percentages with their 95 % intervals."""
    lines = ["| scheme | calls | right, JudgeBench's rule | right, half credit for ties |", "|---|---|---|---|"]
    lines.extend(
        f"| {one.name} | {one.calls:.2f} | {_share(one.right, one.right_95)} | {_share(one.half, one.half_95)} |"
        for one in sorted(measure(_field(read)), key=lambda one: one.calls)
    )
    return "\n".join(lines) + "\n"


def knee(measured: Sequence[Measured]) -> Measured:
    """Where the curve of accuracy over calls bends: farthest above the line from the fewest calls to the best scheme.

    Accuracy with half credit for ties, both axes scaled to [0, 1] (Satopaa et al. 2011, "Finding a Kneedle").
    """
    start = min(measured, key=lambda one: (one.calls, -one.half))
    end = max(measured, key=lambda one: (one.half, -one.calls))
    width, height = end.calls - start.calls, end.half - start.half
    if width <= 0 or height <= 0:
        return end
    return max(measured, key=lambda one: (one.half - start.half) / height - (one.calls - start.calls) / width)


def _field(read: Read) -> Field:
    everyone = arena_hard_on_claude(read)
    return everyone.of("comparable judges", _juries.comparable(everyone))


def _possible(scheme: Scheme, field: Field) -> bool:
    return next(scheme.play([(None, None)] * len(field.judges)), None) is not None


def _measured(scheme: Scheme, field: Field) -> Measured:
    found = {pair: list(scheme.play([field.games[judge][pair] for judge in field.judges])) for pair in field.pairs}
    return _summed(scheme.name, field, found)


def _summed(name: str, field: Field, found: Mapping[str, Sequence[Found]]) -> Measured:
    right, half, calls = [], [], []
    for pair, findings in found.items():
        counts = Counter(findings)
        credits = {one: credit(one[0], field.labels[pair]) for one in counts}
        right.append(sum(n for one, n in counts.items() if credits[one] == 1) / len(findings))
        half.append(sum(n * credits[one] for one, n in counts.items()) / len(findings))
        calls.append(sum(n * one[1] for one, n in counts.items()) / len(findings))
    return Measured(
        name=name,
        calls=_mean(calls),
        right=_mean(right),
        right_95=interval(right, SEED),
        half=_mean(half),
        half_95=interval(half, SEED),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _share(value: float, between: tuple[float, float]) -> str:
    return f"{100 * value:.1f} ({100 * between[0]:.1f}-{100 * between[1]:.1f})"


def _info(name: str, found: object) -> Row:
    return Row(part=PART, name=name, expected=None, found=found, right=False, informative=True)
