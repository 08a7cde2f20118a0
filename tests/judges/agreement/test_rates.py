import math
from statistics import NormalDist, mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from judges.agreement import Mean, Share

counts = st.integers(0, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def share(*clusters: tuple[float, int]) -> Share:
    made = Share()
    for hits, of in clusters:
        made.add(hits, of)
    return made


@given(counts)
def test_independent_observations_have_wilsons_interval(count: tuple[int, int]) -> None:
    hits, n = count
    rate = share(*[(1.0, 1)] * hits, *[(0.0, 1)] * (n - hits)).rate
    if n == 0:
        assert (rate.value, rate.low, rate.high, rate.n) == (None, None, None, 0)
        return
    known = binomtest(hits, n).proportion_ci(0.95, "wilson")
    assert (rate.value, rate.low, rate.high) == pytest.approx((hits / n, known.low, known.high), abs=1e-9)
    assert (rate.low == 0, rate.high == 1) == (hits == 0, hits == n)  # to the last bit


def test_comparisons_of_one_case_that_always_agree_count_once() -> None:
    twice = share(*[(2.0, 2)] * 30, *[(0.0, 2)] * 20).rate
    once = share(*[(1.0, 1)] * 30, *[(0.0, 1)] * 20).rate
    assert twice.n == 100
    assert twice.value == once.value
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), abs=0.01)


def test_comparisons_that_are_independent_count_each() -> None:
    halves = share(*[(1.0, 2)] * 50, *[(2.0, 2)] * 25, *[(0.0, 2)] * 25).rate
    single = share(*[(1.0, 1)] * 100, *[(0.0, 1)] * 100).rate
    assert (halves.low, halves.high) == pytest.approx((single.low, single.high), abs=0.01)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)).map(lambda t: (min(t) / 2, max(t))), max_size=40))
def test_an_interval_holds_its_share(clusters: list[tuple[float, int]]) -> None:
    made = share(*clusters)
    rate = made.rate
    assert made.n == rate.n == sum(of for _, of in clusters)
    if rate.value is not None and rate.low is not None and rate.high is not None:
        assert -1e-9 <= rate.low <= rate.value + 1e-9
        assert rate.value - 1e-9 <= rate.high <= 1 + 1e-9


@given(st.lists(st.none() | st.integers(0, 10**12), max_size=30))
def test_a_mean_has_its_normal_interval_and_counts_what_is_unknown(values: list[int | None]) -> None:
    made = Mean()
    for value in values:
        made.add(value)
    known = [value for value in values if value is not None]
    assert (made.n, made.unknown, made.total) == (len(known), len(values) - len(known), sum(known))
    if len(known) > 1:
        half = NormalDist().inv_cdf(0.975) * stdev(known) / math.sqrt(len(known))
        assert made.rate.value == pytest.approx(mean(known), rel=1e-6, abs=1e-3)
        assert made.rate.high == pytest.approx(mean(known) + half, rel=1e-6, abs=1e-3)
    else:
        assert made.rate.low is None
