"""Figures that are counted in plain numbers are those that the library would have counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from ensemble.observing.instruments import SECONDS, Tally

AMOUNTS = st.lists(st.sampled_from(SECONDS) | st.floats(min_value=-1, max_value=1000))


def an_empty_one() -> tuple[CollectorRegistry, Histogram]:
    registry = CollectorRegistry()
    return registry, Histogram("seconds", "Of a test.", buckets=SECONDS, registry=registry)


def told(registry: CollectorRegistry) -> list[tuple[str, tuple[str, ...], float]]:
    samples = [sample for family in registry.collect() for sample in family.samples]
    return [(one.name, (*one.labels.values(),), one.value) for one in samples if not one.name.endswith("_created")]


@given(st.lists(AMOUNTS, max_size=4))
def test_a_histogram_learns_what_it_would_have_observed(times: list[list[float]]) -> None:
    (plain, direct), (settled, later) = an_empty_one(), an_empty_one()
    tally = Tally(later)
    for amounts in times:
        for amount in amounts:
            direct.observe(amount)
            tally.observe(amount)
        tally.settle()
        found, wanted = told(settled), told(plain)
        assert [one[:2] for one in found] == [one[:2] for one in wanted]
        assert [one[2] for one in found] == pytest.approx([one[2] for one in wanted], abs=1e-9)
