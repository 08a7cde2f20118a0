import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from judges.types import Usage
from judges.usage import NOTHING, total

figures = st.builds(Usage, **{field.name: st.none() | st.integers(0, 10**12) for field in dataclasses.fields(Usage)})


@given(st.lists(figures, max_size=6))
def test_a_sum_with_an_unknown_is_unknown(spent: list[Usage]) -> None:
    whole = total(spent)
    for field in dataclasses.fields(Usage):
        values = [getattr(one, field.name) for one in spent]
        assert getattr(whole, field.name) == (None if None in values else sum(values))


def test_asking_nobody_costs_nothing_but_an_unstated_cost_is_unknown() -> None:
    assert total([]) == NOTHING
    assert total([NOTHING, Usage(nano_usd=5)]).nano_usd == 5
    assert total([NOTHING, Usage()]).nano_usd is None
