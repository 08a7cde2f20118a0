"""Laws of churn."""

from hypothesis import given
from hypothesis import strategies as st

from ensemble.rejudging.churn import Churn
from ensemble.store.rejudging import Finding
from judges.types import CandidateId

AUTHORS = {CandidateId(f"c{n}"): f"m{n}" for n in range(3)}
FINDINGS = st.builds(
    Finding,
    outcome=st.just("decided"),
    winners=st.frozensets(st.sampled_from(sorted(AUTHORS))),
    confidence=st.none() | st.floats(0, 1),
)


@given(st.lists(st.tuples(st.none() | FINDINGS, FINDINGS), max_size=20))
def test_every_case_is_counted_once(cases: list[tuple[Finding | None, Finding]]) -> None:
    churn = Churn()
    for old, new in cases:
        churn.add(old, new, AUTHORS, reused=False)
    moved = sum(one.cases for one in churn.moved())
    assert churn.first + churn.cases == len(cases)
    assert churn.changed.n == churn.cases - churn.undecided
    assert (churn.changed.value or 0) * churn.changed.n == moved or abs(
        (churn.changed.value or 0) * churn.changed.n - moved
    ) < 1e-9
    assert all(one.before != one.after for one in churn.moved())


@given(FINDINGS)
def test_the_same_finding_is_no_change(found: Finding) -> None:
    churn = Churn()
    churn.add(found, found, AUTHORS, reused=True)
    assert churn.moved() == []
