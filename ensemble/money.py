"""Exact money: integer nano-USD (1e-9 US dollars). Unknown is None, and unknown plus anything is unknown."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from judges.types import Usage

NANO = 1_000_000_000
_MILLION = 1_000_000


def _exact(value: Decimal) -> Decimal:
    if value * NANO % 1:
        raise ValueError("a price has at most 9 decimals")
    return value


Usd = Annotated[Decimal, Field(ge=0, le=1_000_000), AfterValidator(_exact)]
"""US dollars as written in the configuration: at most 9 decimals, so that nano-dollars are exact."""


class Price(BaseModel):
    """What one member costs, in USD per million tokens. A price that is left out is unknown; 0 is free.

    Attributes:
        input: fresh input tokens.
        output: output tokens, reasoning included.
        cache_read: input tokens read from the provider's cache.
        cache_write: input tokens written to the provider's cache.
        batch_input: input tokens of the batch interface.
        batch_output: output tokens of the batch interface.
        valid_from: first day (UTC) on which the row holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Usd | None = None
    output: Usd | None = None
    cache_read: Usd | None = None
    cache_write: Usd | None = None
    batch_input: Usd | None = None
    batch_output: Usd | None = None
    valid_from: date = date.min

    def __copy__(self) -> Self:
        """Without what is worked out once, since ``model_copy`` gives the copy other fields."""
        copied = super().__copy__()
        for name in ("digest", "rates", "batch_rates"):
            copied.__dict__.pop(name, None)
        return copied

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the row, 64 hex digits; stored with every call that it priced."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @cached_property
    def rates(self) -> tuple[int | None, ...]:
        """Nano-USD per million tokens: fresh input, read from the cache, written to it, output."""
        return _nano(self.input, self.cache_read, self.cache_write, self.output)

    @cached_property
    def batch_rates(self) -> tuple[int | None, ...]:
        """As ``rates``, in a batch."""
        held = self.batch_input if self.batch_input == 0 else None
        return _nano(self.batch_input, held, held, self.batch_output)

    def cost(self, usage: Usage, *, batch: bool = False) -> int | None:
        """Nano-USD of one call, rounded half to even once; None where a price or a count that matters is unknown.

        Cached and cache-written tokens are part of ``usage.input_tokens`` and are taken out of it here. What they cost
        in a batch is not known, unless a batch's tokens are free.
        """
        cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens or 0
        fresh = None if usage.input_tokens is None else max(0, usage.input_tokens - cached - written)
        rates = self.batch_rates if batch else self.rates
        into, _, _, out = rates
        if fresh and usage.output_tokens and into is not None and out is not None and not cached and not written:
            return _half_even(fresh * into + usage.output_tokens * out)  # as nearly always
        total = 0
        for tokens, rate in zip((fresh, cached, written, usage.output_tokens), rates, strict=True):
            if tokens and rate is not None:
                total += tokens * rate
            elif tokens != 0 and rate != 0:
                return None
        return _half_even(total)


def _nano(*prices: Decimal | None) -> tuple[int | None, ...]:
    """Nano-USD, exact since a price has at most 9 decimals."""
    return tuple(None if usd is None else int(usd * NANO) for usd in prices)


def _half_even(per_million: int) -> int:
    whole, rest = divmod(per_million, _MILLION)
    return whole + (rest * 2 > _MILLION or (rest * 2 == _MILLION and whole % 2))


def price_on(prices: Iterable[Price], moment: datetime) -> Price | None:
    """The row in force at ``moment`` (an aware time), or None where there is none."""
    day = moment.astimezone(UTC).date()
    held = [price for price in prices if price.valid_from <= day]
    return max(held, key=lambda price: price.valid_from, default=None)


def add(*amounts: int | None) -> int | None:
    """Sum of nano-USD amounts; unknown if one of them is."""
    total = 0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


class Total(NamedTuple):
    """The known part of a sum, and how many amounts were unknown: what a report prints."""

    nano_usd: int
    unpriced: int

    @property
    def exact(self) -> int | None:
        """The sum, or None where an amount is unknown."""
        return None if self.unpriced else self.nano_usd

    def __str__(self) -> str:
        return f"${usd(self.nano_usd)}" + (f" + {self.unpriced} unpriced" if self.unpriced else "")


def total(amounts: Iterable[int | None]) -> Total:
    """Known sum and number of unknown amounts."""
    known = unpriced = 0
    for amount in amounts:
        known, unpriced = (known, unpriced + 1) if amount is None else (known + amount, unpriced)
    return Total(known, unpriced)


def usd(nano_usd: int) -> str:
    """Dollars as a plain decimal string, exact, with at least two decimals."""
    whole, rest = divmod(abs(nano_usd), NANO)
    fraction = f"{rest:09}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano_usd < 0 else ''}{whole}.{fraction}"
