"""What the ballots of a jury are worth, and every coefficient against a second, plain implementation of it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.agreement import Estimate, cohen, effective_votes, fleiss, krippendorff
from judges.agreement.votes import LEAST, worth
from tests.judges.agreement import plainly

labels = st.sampled_from("abc")
errors = st.sampled_from([0.0, 0.5, 1.0, None])
NOTHING = Estimate(value=None, low=None, high=None, n=0)


@given(st.lists(st.tuples(labels, labels), max_size=25))
def test_cohens_kappa_is_that_of_its_definition(pairs: list[tuple[str, str]]) -> None:
    assert cohen(pairs).value == (None if (plain := plainly.cohen(pairs)) is None else pytest.approx(plain, abs=1e-9))


@given(st.integers(2, 5).flatmap(lambda n: st.lists(st.lists(labels, min_size=n, max_size=n), max_size=12)))
def test_fleiss_kappa_is_that_of_its_definition(cases: list[list[str]]) -> None:
    assert fleiss(cases).value == (None if (plain := plainly.fleiss(cases)) is None else pytest.approx(plain, abs=1e-9))


@given(st.lists(st.lists(labels, max_size=5), max_size=12))
def test_krippendorffs_alpha_is_that_of_its_definition(cases: list[list[str]]) -> None:
    plain = plainly.krippendorff(cases)
    assert krippendorff(cases).value == (None if plain is None else pytest.approx(plain, abs=1e-9))


@given(st.lists(st.tuples(errors, errors, errors), min_size=LEAST - 3, max_size=3 * LEAST))
def test_effective_votes_are_those_of_their_definition(cases: list[tuple[float | None, ...]]) -> None:
    plain, found = plainly.effective(cases, LEAST), effective_votes(cases)
    assert found.value == (None if plain is None else pytest.approx(plain, abs=1e-6))
    if found.value is not None:
        assert 1 <= found.value <= 3
        # Nobody's place in the jury matters, nor the order of cases.
        turned = effective_votes([case[::-1] for case in reversed(cases)])
        assert turned.value == pytest.approx(found.value)
    if found.low is not None and found.high is not None:
        assert 1 <= found.low <= found.high <= 3


def jury(seats: int, shared: float, cases: int = 600, seed: int = 3) -> list[list[float]]:
    """Seats that err on 30 % of cases, all of them together on the ``shared`` part of cases."""
    rng = random.Random(seed)
    rows = []
    for _ in range(cases):
        together = float(rng.random() < 0.3)
        rows.append([together if rng.random() < shared else float(rng.random() < 0.3) for _ in range(seats)])
    return rows


def test_seats_that_err_apart_are_worth_their_number_and_twins_one() -> None:
    apart, alike, half = (effective_votes(jury(5, shared)) for shared in (0.0, 1.0, 0.7))
    assert apart.value is not None
    assert apart.value > 4.5
    assert alike.value == pytest.approx(1.0)
    # Two seats share an error cause with probability 0.7 * 0.7, which is the correlation of their errors.
    assert half.low is not None
    assert half.high is not None
    assert half.low < worth(5, 0.49) < half.high
    assert half.n == 600


def test_too_little_is_told_as_nothing() -> None:
    assert effective_votes([]) == NOTHING
    assert effective_votes([[0.0, 1.0]] * (LEAST - 1)).value is None
    assert effective_votes([[0.0, 1.0]] * LEAST).value is None  # neither varies
    assert effective_votes([[1.0]] * LEAST).value is None  # one vote is no jury
    with pytest.raises(ValueError, match="the same seats"):
        effective_votes([[0.0, 1.0], [0.0]])
