"""Which cases a person gets to see by lot: a stratified sample whose inclusion probabilities are exact.

Within a stratum the sample is simple random, without replacement: the cases with the smallest hashes of seed and id.
So the seed tells who was drawn, whatever the order in which the cases came, and anybody can draw again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from heapq import nsmallest
from math import floor, sqrt

from ensemble.store.audit.draws import Drawn, Unit

BANDS = ((1 / 3, "low"), (2 / 3, "middle"))
"""Upper ends of the bands of disagreement; above them it is high."""
_PAIR = 2
"""Least cases of a stratum, where it has as many: from one alone no spread can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """All that was drawn at once, in order of place; ``strata`` has cases and cases drawn of each stratum."""

    drawn: Sequence[Drawn]
    strata: Mapping[str, tuple[int, int]]


def sample(frame: Sequence[Unit], wanted: float, *, blind: float, seed: str) -> Sample:
    """Draw about ``wanted`` cases of ``frame``, a share ``blind`` of them for two people.

    What is no whole number is rounded up or down by lot, so that it is right in the long run. Small strata are drawn
    from more often than large ones (power allocation: Bankier, 1988), each at least twice if ``wanted`` is enough for
    that; whoever counts has to weight by the probabilities.
    """
    size = min(len(frame), _whole(wanted, f"{seed}/size"))
    names = _strata(frame, size)
    members: dict[str, list[str]] = {}
    for unit, name in zip(frame, names, strict=True):
        members.setdefault(name, []).append(unit.id)
    sizes = {name: len(ids) for name, ids in sorted(members.items())}
    taken = allocate(sizes, size)
    chosen = {
        id_: name
        for name, ids in members.items()
        for id_ in nsmallest(taken[name], ids, key=lambda id_: _lot(seed, id_))
    }
    order = sorted(chosen, key=lambda id_: _lot(f"{seed}/place", id_))
    pairs = _whole(blind * len(order), f"{seed}/pairs")
    twice = set(nsmallest(pairs, order, key=lambda id_: _lot(f"{seed}/blind", id_)))
    drawn = [
        Drawn(
            id=id_,
            stratum=chosen[id_],
            probability=taken[chosen[id_]] / sizes[chosen[id_]],
            place=place,
            blind=id_ in twice,
        )
        for place, id_ in enumerate(order)
    ]
    return Sample(drawn=drawn, strata={name: (count, taken[name]) for name, count in sizes.items()})


def allocate(sizes: Mapping[str, int], wanted: int) -> dict[str, int]:
    """How many of ``wanted`` to draw from strata of these ``sizes``, by the root of the size.

    None gets more than it has. Where ``wanted`` is enough, each gets two, or all that it has.
    """
    if wanted >= sum(sizes.values()):
        return dict(sizes)
    least = {name: min(_PAIR, size) for name, size in sizes.items()}
    given = least if sum(least.values()) <= wanted else dict.fromkeys(sizes, 0)
    for _ in range(wanted - sum(given.values())):
        # The next one goes to the stratum that is furthest below its part (Sainte-Laguë's divisors).
        room = [name for name, size in sizes.items() if given[name] < size]
        given[max(room, key=lambda name: sqrt(sizes[name]) / (2 * given[name] + 1))] += 1
    return given


def band(disagreement: float | None) -> str:
    """The band that an index of disagreement is in."""
    if disagreement is None:
        return "unknown"
    return next((name for end, name in BANDS if disagreement < end), "high")


def _strata(frame: Sequence[Unit], size: int) -> list[str]:
    """The stratum of each case: as fine as ``size`` allows, with two cases of each."""
    names: list[str] = []
    for level in (_finest, _banded, _queued):
        names = [level(unit) for unit in frame]
        if sum(min(_PAIR, count) for count in Counter(names).values()) <= size:
            return names
    return ["all" for _ in frame]


def _finest(unit: Unit) -> str:
    return f"{unit.router}: {_banded(unit)}"


def _banded(unit: Unit) -> str:
    return "queued" if unit.queued else f"{band(unit.disagreement)} disagreement"


def _queued(unit: Unit) -> str:
    return "queued" if unit.queued else "not queued"


def _whole(number: float, seed: str) -> int:
    """``number`` rounded up with the probability of its fraction."""
    return floor(number + int.from_bytes(_lot(seed, "")[:7]) / 2**56)


def _lot(seed: str, id_: str) -> bytes:
    return sha256(f"{seed}/{id_}".encode(errors="surrogatepass")).digest()
