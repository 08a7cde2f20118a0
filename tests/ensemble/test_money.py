from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ensemble.money import Price, add, price_on, total, usd
from judges.types import Usage

AMOUNTS = st.lists(st.none() | st.integers(0, 10**15))


@given(AMOUNTS)
def test_a_sum_with_an_unknown_is_unknown(amounts: list[int | None]) -> None:
    assert (add(*amounts) is None) == (None in amounts)
    summed = total(amounts)
    assert summed.nano_usd == sum(a for a in amounts if a is not None)
    assert summed.unpriced == amounts.count(None)
    assert summed.exact == add(*amounts)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.decimals(0, 1000, places=9), st.decimals(0, 1000, places=9))
def test_a_cost_is_exact_to_half_a_nano_dollar(
    tokens_in: int, tokens_out: int, per_in: Decimal, per_out: Decimal
) -> None:
    cost = Price(input=per_in, output=per_out).cost(Usage(input_tokens=tokens_in, output_tokens=tokens_out))
    assert cost is not None
    assert abs(Decimal(cost) - (tokens_in * per_in + tokens_out * per_out) * 1000) <= Decimal("0.5")


def test_rounding_is_half_to_even() -> None:
    price = Price(input=Decimal("0.0005"), output=Decimal(0))
    costs = [price.cost(Usage(input_tokens=n, output_tokens=0)) for n in (1, 3, 5)]
    assert costs == [0, 2, 2]


def test_cached_tokens_have_their_own_price() -> None:
    usage = Usage(input_tokens=100, cached_input_tokens=60, cache_write_tokens=10, output_tokens=1)
    price = Price(input=Decimal(10), output=Decimal(20), cache_read=Decimal(1), cache_write=Decimal(12))
    assert price.cost(usage) == (30 * 10 + 60 * 1 + 10 * 12 + 20) * 1000
    assert Price(input=Decimal(10), output=Decimal(20)).cost(usage) is None


def test_free_is_free_even_where_the_counts_are_unknown() -> None:
    assert Price(input=Decimal(0), output=Decimal(0)).cost(Usage()) == 0
    assert Price(input=Decimal(1), output=Decimal(0)).cost(Usage()) is None


def test_the_batch_price_is_another() -> None:
    price = Price(input=Decimal(2), output=Decimal(4), batch_input=Decimal(1), batch_output=Decimal(2))
    assert price.cost(Usage(input_tokens=10, output_tokens=10), batch=True) == 30_000


def test_no_price_of_a_batch_is_taken_from_elsewhere() -> None:
    price = Price(input=Decimal(2), output=Decimal(4), cache_read=Decimal(1), batch_output=Decimal(2))
    assert price.cost(Usage(input_tokens=10, output_tokens=10), batch=True) is None
    unpriced = price.digest
    priced = price.model_copy(update={"batch_input": Decimal(1)})
    assert priced.cost(Usage(input_tokens=10, cached_input_tokens=4, output_tokens=10), batch=True) is None
    assert priced.cost(Usage(input_tokens=10, cached_input_tokens=0, output_tokens=10), batch=True) == 30_000
    assert priced.digest != unpriced


@pytest.mark.parametrize("bad", ["-1", "0.0000000001", "nan"])
def test_a_price_that_cannot_be_exact_is_refused(bad: str) -> None:
    with pytest.raises(ValidationError):
        Price.model_validate({"input": bad})


def test_the_newest_price_that_holds_is_taken() -> None:
    old, new = Price(input=Decimal(1)), Price.model_validate({"input": 2, "valid_from": "2026-05-01"})
    assert price_on((new, old), datetime(2026, 4, 30, 23, 59, tzinfo=UTC)) is old
    assert price_on((new, old), datetime(2026, 5, 1, tzinfo=UTC)) is new
    assert price_on((new,), datetime(2020, 1, 1, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("nano", "text"), [(0, "0.00"), (1, "0.000000001"), (1_500_000_000, "1.50"), (10**18, "1000000000.00")]
)
def test_dollars_are_printed_exactly(nano: int, text: str) -> None:
    assert usd(nano) == text


def test_a_total_names_what_it_does_not_know() -> None:
    assert str(total([1_000_000, None, None])) == "$0.001 + 2 unpriced"
