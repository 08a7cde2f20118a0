from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.allowance import PERS, Limit, seconds_left, start_of

limits = st.builds(
    Limit, st.sampled_from(("requests", "tokens", "usd")), st.sampled_from(PERS), st.integers(0, 10**15 - 1)
)
moments = st.integers(0, 3_000_000_000_000_000).map(
    lambda us: datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us)
)


@given(limits)
def test_a_limit_is_read_as_it_is_written(limit: Limit) -> None:
    assert Limit.parse(str(limit)) == limit


def test_money_is_exact() -> None:
    assert Limit.parse("usd=0.000000001/day").most == 1
    assert str(Limit.parse(" usd=12.50/month ")) == "usd=12.50/month"


@pytest.mark.parametrize(
    "text",
    ["", "60/minute", "usd=5", "usd=-1/day", "usd=5/hour", "requests=1.5/day", "usd=0.0000000001/day", "a=1/day"],
)
def test_what_is_no_limit_is_told_how_one_looks(text: str) -> None:
    with pytest.raises(ValueError, match="is no limit, such as requests=60/minute"):
        Limit.parse(text)


@pytest.mark.parametrize("per", [per for per in PERS if per != "total"])
@given(moment=moments)
def test_a_window_ends_where_the_next_begins(per: str, moment: datetime) -> None:
    left = seconds_left(per, moment)  # type: ignore[arg-type]
    assert left is not None
    assert left > 0
    names = [start_of(per, moment + timedelta(seconds=left) + timedelta(microseconds=by)) for by in (-2, 2)]  # type: ignore[arg-type]
    assert names[0] == start_of(per, moment) != names[1]  # type: ignore[arg-type]


def test_a_total_never_begins_anew() -> None:
    assert seconds_left("total", datetime.now(UTC)) is None
    assert start_of("total", datetime(2020, 1, 1, tzinfo=UTC)) == start_of("total", datetime(2030, 1, 1, tzinfo=UTC))
