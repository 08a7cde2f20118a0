from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.money import Price
from ensemble.spending import dearest_nano_usd, most_tokens
from judges.types import ImagePart, Message, Prompt, Usage


@given(st.lists(st.text(max_size=50), min_size=1, max_size=5))
def test_a_prompt_has_no_more_tokens_than_bytes(texts: list[str]) -> None:
    prompt = Prompt(messages=tuple(Message(role="user", content=text) for text in texts))
    most = most_tokens(prompt)
    assert most is not None
    assert most >= sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


def test_what_is_not_stated_counts_nothing() -> None:
    short = Prompt(messages=(Message(role="user", content="Why?"),))
    stated = replace(short, options={"temperature": 0.5})
    bare, more = most_tokens(short), most_tokens(stated)
    assert bare is not None
    assert more is not None
    assert len('{"messages": [{"role": "user", "content": "Why?"}]}') < bare < 100
    assert more - bare >= len('"temperature": 0.5')


def test_nobody_knows_what_an_image_costs() -> None:
    shown = Message(role="user", content=(ImagePart(url="https://example.org/x.png"),))
    assert most_tokens(Prompt(messages=(shown,))) is None


prices = st.decimals(0, 100, places=3, allow_nan=False)


@given(prices, prices, st.integers(0, 10**6), st.integers(1, 10**5), st.data())
def test_no_usage_within_the_bounds_costs_more(
    input_: Decimal, output: Decimal, size: int, limit: int, data: st.DataObject
) -> None:
    price = Price(input=input_, output=output, cache_read=input_ / 10, cache_write=input_ * 2)
    given_ = data.draw(st.integers(0, size))
    cached = data.draw(st.integers(0, given_))
    usage = Usage(
        input_tokens=given_,
        output_tokens=data.draw(st.integers(0, limit)),
        cached_input_tokens=cached,
        cache_write_tokens=data.draw(st.integers(0, given_ - cached)),
    )
    most, cost = dearest_nano_usd(price, size, limit), price.cost(usage)
    assert most is not None
    assert cost is not None
    assert cost <= most


@pytest.mark.parametrize(
    ("price", "size", "limit"),
    [(Price(input=Decimal(1)), 1, 1), (Price(output=Decimal(1)), 1, 1)]
    + [(Price(input=Decimal(1), output=Decimal(1)), *of) for of in ((None, 1), (1, None))],
)
def test_what_is_unknown_has_no_bound(price: Price, size: int | None, limit: int | None) -> None:
    assert dearest_nano_usd(price, size, limit) is None


def test_what_writes_nothing_needs_no_price_of_output() -> None:
    assert dearest_nano_usd(Price(input=Decimal(1)), 10, 0) == 10_000
