"""The lot: exact probabilities, the same from the same seed, whatever the order."""

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.audit.sampling import allocate, band, sample
from ensemble.store.audit.draws import Unit


def a_frame(size: int, *, routers: Sequence[str] = ("panel", "cheap")) -> list[Unit]:
    return [
        Unit(
            id=f"r{at}",
            router=routers[at % len(routers)],
            disagreement=(at % 10) / 10 if at % 11 else None,
            queued=at % 7 == 0,
        )
        for at in range(size)
    ]


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 500), min_size=1, max_size=8), st.integers(0, 600))
def test_as_many_are_allocated_as_are_wanted_and_there(sizes: dict[str, int], wanted: int) -> None:
    taken = allocate(sizes, wanted)
    assert sum(taken.values()) == min(wanted, sum(sizes.values()))
    assert all(0 <= taken[name] <= size for name, size in sizes.items())
    if wanted >= sum(min(2, size) for size in sizes.values()):
        assert all(taken[name] >= min(2, size) for name, size in sizes.items())


def test_small_strata_are_drawn_from_more_often() -> None:
    taken = allocate({"large": 9000, "small": 100}, 55)
    assert taken == {"large": 50, "small": 5}  # as the roots, 95 : 10, and not as 90 : 1
    assert taken["small"] / 100 > taken["large"] / 9000


@given(st.integers(0, 300), st.floats(0, 80), st.floats(0, 1), st.text(max_size=5))
def test_every_probability_is_cases_drawn_by_cases_of_the_stratum(
    size: int, wanted: float, blind: float, seed: str
) -> None:
    found = sample(a_frame(size), wanted, blind=blind, seed=seed)
    assert abs(len(found.drawn) - min(size, wanted)) < 1
    assert [one.place for one in found.drawn] == list(range(len(found.drawn)))
    assert sum(cases for cases, _ in found.strata.values()) == size
    drawn = Counter(one.stratum for one in found.drawn)
    for one in found.drawn:
        cases, taken = found.strata[one.stratum]
        assert (drawn[one.stratum], one.probability) == (taken, taken / cases)
    assert abs(sum(one.blind for one in found.drawn) - blind * len(found.drawn)) < 1


def test_the_seed_alone_tells_who_is_drawn() -> None:
    frame = a_frame(400)
    found = sample(frame, 40, blind=0.1, seed="a")
    mixed = [*frame]
    Random(1).shuffle(mixed)
    assert sample(mixed, 40, blind=0.1, seed="a") == found
    assert {one.id for one in sample(frame, 40, blind=0.1, seed="b").drawn} != {one.id for one in found.drawn}


def test_each_case_is_drawn_as_often_as_its_probability_says() -> None:
    frame = a_frame(60)
    hits: Counter[str] = Counter()
    said: dict[str, float] = {}
    blind = 0
    for seed in range(1000):
        found = sample(frame, 20, blind=0.1, seed=str(seed))
        hits.update(one.id for one in found.drawn)
        blind += sum(one.blind for one in found.drawn)
        said |= {one.id: one.probability for one in found.drawn}
    assert len(said) == 60  # nobody is out of reach
    for id_, probability in said.items():
        # Five standard errors: one in a million that it fails by chance, and the seeds are fixed besides.
        assert hits[id_] / 1000 == pytest.approx(probability, abs=5 * (probability * (1 - probability) / 1000) ** 0.5)
    assert blind / 1000 == pytest.approx(2, abs=0.01)


def test_strata_are_as_fine_as_the_size_allows() -> None:
    frame = a_frame(400)
    assert set(sample(frame, 40, blind=0, seed="s").strata) > {"panel: queued", "cheap: high disagreement"}
    assert "unknown disagreement" in sample(frame, 12, blind=0, seed="s").strata
    assert set(sample(frame, 4, blind=0, seed="s").strata) == {"queued", "not queued"}
    assert set(sample(frame, 1, blind=0, seed="s").strata) == {"all"}


def test_bands() -> None:
    edges = {None: "unknown", 0.0: "low", 0.33: "low", 0.34: "middle", 0.66: "middle", 0.67: "high", 1.0: "high"}
    assert {at: band(at) for at in edges} == edges
