"""What a caller may spend: limits by calendar window, and the seam through which a member asks before each attempt."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

from ensemble.errors import EnsembleError
from ensemble.money import NANO, usd

What = Literal["requests", "tokens", "usd"]
Per = Literal["minute", "day", "month", "total"]
PERS: tuple[Per, ...] = ("minute", "day", "month", "total")
_LIMIT = re.compile(
    r"(?P<what>requests|tokens|usd)=(?P<most>[0-9]{1,15}(\.[0-9]{1,9})?)/(?P<per>minute|day|month|total)"
)
_FORMATS: Mapping[Per, str] = {"minute": "%Y-%m-%dT%H:%MZ", "day": "%Y-%m-%d", "month": "%Y-%m", "total": "total"}


@dataclass(frozen=True, slots=True)
class Amount:
    """Some requests, tokens (input and output together) and nano-USD."""

    requests: int = 0
    tokens: int = 0
    nano_usd: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.requests + other.requests, self.tokens + other.tokens, self.nano_usd + other.nano_usd)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.requests - other.requests, self.tokens - other.tokens, self.nano_usd - other.nano_usd)

    def of(self, what: What) -> int:
        """The count that a limit on ``what`` is about; nano-USD for ``usd``."""
        return {"requests": self.requests, "tokens": self.tokens, "usd": self.nano_usd}[what]


@dataclass(frozen=True, slots=True, order=True)
class Limit:
    """At most ``most`` (nano-USD where ``what`` is ``usd``) in each ``per`` of the UTC calendar."""

    what: What
    per: Per
    most: int

    @classmethod
    def parse(cls, text: str) -> "Limit":
        """Read ``requests=60/minute``, ``tokens=1000000/day``, ``usd=12.50/month`` or ``usd=100/total``.

        Raises:
            ValueError: it is no limit; the sentence says how one looks.
        """
        found = _LIMIT.fullmatch(text.strip())
        if found is None or (found["what"] != "usd" and "." in found["most"]):
            raise ValueError(f"{text!r} is no limit, such as requests=60/minute, tokens=1000000/day or usd=12.50/month")
        whole, _, part = found["most"].partition(".")
        most = int(whole) * NANO + int(part.ljust(9, "0")) if found["what"] == "usd" else int(whole)
        return cls(found["what"], found["per"], most)  # type: ignore[arg-type] # the pattern holds nothing else

    def __str__(self) -> str:
        return f"{self.what}={usd(self.most) if self.what == 'usd' else self.most}/{self.per}"


def start_of(per: Per, moment: datetime) -> str:
    """Name of the window that holds ``moment`` (UTC)."""
    return moment.astimezone(UTC).strftime(_FORMATS[per])


def seconds_left(per: Per, moment: datetime) -> float | None:
    """Seconds until the next window begins; None where none ever does."""
    if per == "total":
        return None
    start = moment.astimezone(UTC).replace(second=0, microsecond=0)
    if per == "minute":
        return (start + timedelta(minutes=1) - moment).total_seconds()
    start = start.replace(hour=0, minute=0)
    if per == "day":
        return (start + timedelta(days=1) - moment).total_seconds()
    following = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    return (following - moment).total_seconds()


class Allowance(Protocol):
    """What is left to one request. Members ask it before every attempt and tell it afterwards what the attempt used."""

    @property
    def bounded(self) -> frozenset[What]:
        """What is limited, so that a call whose most is unknown cannot be made."""
        ...

    @property
    def refused(self) -> EnsembleError | None:
        """Why the last attempt was not allowed, as the client is to be told."""
        ...

    async def take(self, most: Amount) -> bool:
        """Set ``most`` aside for one attempt; durable when this returns. False: there is no room, ask nobody."""
        ...

    def settle(self, most: Amount, used: Amount) -> None:
        """Give back what of ``most`` was not used."""
        ...

    def end(self) -> None:
        """The request has ended; what its calls left, and those that go on will leave, goes back to the caller."""
        ...
