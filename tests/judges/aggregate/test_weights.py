import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.aggregate._weights import Counted, accuracy, version_of, votes_of, weights_of
from judges.testing import a_verdict


@st.composite
def counted(draw: st.DrawFn) -> Counted:
    n = draw(st.integers(0, 10**9))
    return Counted(n=n, right=draw(st.floats(0, 1)) * n)


@given(
    records=st.dictionaries(st.sampled_from("abcd"), counted(), max_size=4),
    gate=st.floats(0.5, 0.99),
    prior=st.floats(1e-300, 1e6),
)
def test_any_record_gives_a_finite_weight_and_none_below_the_gate(
    records: dict[str, Counted], gate: float, prior: float
) -> None:
    weights = weights_of(records, gate, prior)
    assert set(weights) == set(records)
    for name, weight in weights.items():
        assert math.isfinite(weight)
        assert weight >= 0
        if accuracy(records[name], prior) < gate:
            assert weight == 0


def test_a_weight_is_the_log_odds_of_the_shrunken_accuracy() -> None:
    weights = weights_of(
        {"good": Counted(n=92, right=76), "fair": Counted(n=92, right=56), "poor": Counted(n=92, right=50)}
    )
    assert weights == {"good": pytest.approx(math.log(80 / 20)), "fair": pytest.approx(math.log(60 / 40)), "poor": 0}
    assert weights_of({"new": Counted(n=1, right=1)})["new"] == 0 < weights_of({"new": Counted(n=6, right=6)})["new"]


def test_votes_are_exact_and_a_tie_splits_them() -> None:
    ballots = [a_verdict("c0"), a_verdict("c1", "c2"), a_verdict()]
    votes = votes_of(ballots, {"a judge": 0.3})
    assert [float(votes[one.winners[0]]) for one in ballots[:2]] == [0.3, 0.15]
    assert votes_of(ballots, {}) == {}


def test_what_cannot_be_counted_is_refused() -> None:
    for n, right in ((1, 2.0), (-1, 0.0), (1, float("nan"))):
        with pytest.raises(ValueError, match="Counted"):
            Counted(n=n, right=right)
    with pytest.raises(ValueError, match="gate"):
        weights_of({}, gate=0.4)
    with pytest.raises(ValueError, match="prior"):
        weights_of({}, prior=0)


def test_a_version_changes_with_the_weights_alone() -> None:
    assert version_of({"a": 1.0, "b": 2.0}) == version_of({"b": 2.0, "a": 1.0}) != version_of({"a": 1.0})
