"""Against the worked examples of the papers and textbooks."""

import random
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.agreement import Estimate, cohen, cohen_within, fleiss, krippendorff, krippendorff_within

labels = st.sampled_from("abc")


def test_cohens_kappa_of_the_textbook() -> None:
    """Two readers of 50 proposals: both yes 20, both no 15, apart 5 and 10."""
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    found = cohen(pairs)
    assert found.value == pytest.approx(0.4)
    assert found.n == 50
    # The large-sample standard error of this table is 0.1287 (Fleiss, Cohen and Everitt, 1969).
    assert found.low == pytest.approx(0.4 - 1.96 * 0.1287, abs=0.04)
    assert found.high == pytest.approx(0.4 + 1.96 * 0.1287, abs=0.04)


FLEISS = (
    "0 0 0 0 14", "0 2 6 4 2", "0 0 3 5 6", "0 3 9 2 0", "2 2 8 1 1",
    "7 7 0 0 0", "3 2 6 3 0", "2 5 3 2 2", "6 5 2 1 0", "0 2 2 3 7",
)  # fmt: skip


def test_fleiss_kappa_of_fourteen_raters_and_ten_subjects() -> None:
    cases = [[label for label, count in enumerate(map(int, row.split())) for _ in range(count)] for row in FLEISS]
    found = fleiss(cases)
    assert found.value == pytest.approx(0.2099, abs=5e-5)
    assert found.n == 10
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.2099 < found.high


def test_fleiss_wants_the_same_number_of_judges() -> None:
    with pytest.raises(ValueError, match="the same number of judges"):
        fleiss([["a", "b"], ["a", "b", "b"]])


OBSERVERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
"""Four observers, twelve units (Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011, part C)."""


def test_krippendorffs_alpha_with_missing_data() -> None:
    cases = [
        [label for label in unit if label != "."] for unit in zip(*(row.split() for row in OBSERVERS), strict=True)
    ]
    found = krippendorff(cases)
    assert found.value == pytest.approx(0.743, abs=5e-4)
    assert found.n == 11


def test_krippendorffs_alpha_of_two_observers() -> None:
    """Ten units, binary (the same paper, part A)."""
    one, other = "0100000000", "1110010010"
    assert krippendorff(zip(one, other, strict=True)).value == pytest.approx(0.095, abs=5e-4)


@given(st.lists(labels, min_size=2).filter(lambda row: len(set(row)) > 1))
def test_full_agreement_is_one(row: list[str]) -> None:
    for found in (
        cohen((one, one) for one in row),
        fleiss([[one] * 3 for one in row]),
        krippendorff([[one] * 2 for one in row]),
    ):
        assert found.value == pytest.approx(1.0)
        assert found.high == pytest.approx(1.0)


@given(st.lists(st.tuples(labels, labels), max_size=30))
def test_intervals_are_repeatable_and_nothing_escapes(pairs: list[tuple[str, str]]) -> None:
    for coefficient in (cohen, fleiss, krippendorff):
        found = coefficient(pairs)
        assert coefficient(pairs) == found
        assert found.n == len(pairs)
        if found.value is not None and found.low is not None and found.high is not None:
            assert found.low <= found.high <= 1 + 1e-9


def test_labels_of_one_case_all_count_and_are_drawn_together() -> None:
    """The textbook's 50 proposals, five to a case: the same kappa, over ten cases."""
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    cases = [pairs[at : at + 5] for at in range(0, 50, 5)]
    found = cohen_within([*cases, []])
    assert found.value == pytest.approx(0.4)
    assert found.n == 10
    single = cohen(pairs)
    assert found.low is not None
    assert single.low is not None
    assert found.low < single.low - 0.1, "proposals of a case are alike, so ten cases tell less than 50"
    assert krippendorff_within([*cases, [], [["y"]]]).n == 10
    assert krippendorff_within(cases).value == pytest.approx(krippendorff(pairs).value)


@given(st.lists(st.tuples(labels, labels), max_size=30))
def test_the_same_labels_again_tell_nothing_new(pairs: list[tuple[str, str]]) -> None:
    assert astuple(cohen_within([[pair] * 3 for pair in pairs])) == pytest.approx(astuple(cohen(pairs)))


def test_what_is_not_defined_is_none() -> None:
    nothing = Estimate(value=None, low=None, high=None, n=0)
    assert cohen([]) == fleiss([]) == krippendorff([]) == krippendorff([["a"]]) == nothing
    assert cohen([("a", "a")] * 5) == Estimate(value=None, low=None, high=None, n=5)


def test_an_interval_covers_the_true_value_nineteen_times_in_twenty() -> None:
    """Two judges who agree on 80 % of balanced labels: kappa is 0.6."""
    rng = random.Random(7)
    covered = 0
    for trial in range(200):
        pairs = [(one, one if rng.random() < 0.8 else 1 - one) for one in (rng.randrange(2) for _ in range(150))]
        found = cohen(pairs, seed=trial)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.6 <= found.high
    assert 180 <= covered <= 199
