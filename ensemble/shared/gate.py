"""The limits of one provider as all replicas keep them: requests, tokens, calls in flight, pauses.

The library ``limits`` keeps windows in Redis too. It does not serve in front of a provider: its moving window holds an
entry for each token, goes by the clocks of the replicas, takes nothing back once the true number is known, and lets a
replica that polls faster starve the others. So there is one script, which decides over everything at once, in one round
trip, and which is all that is written here: connections, scripts' caching and locks are redis-py's.

Windows slide. A provider that counts by fixed minutes, and one whose bucket fills up steadily, both let pass what no
minute, wherever it begins, has too much of; a fixed window of ours would let twice the limit through at its border.
"""

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from ensemble.limits import GUARD, windows
from ensemble.shared.link import Shared, SharedLost

LEASE_S = 10.0
"""How long the calls of a replica that says nothing count: after that it has died."""
_GRACE_S = 0.5
"""How much later than told a waiter may come back and still have its place."""
_FOLDER = Path(__file__).parent
_ENTER = (_FOLDER / "provider.lua").read_text(encoding="utf-8")
_REPORT = (_FOLDER / "report.lua").read_text(encoding="utf-8")


class ProviderGate:
    """As ``ensemble.limits.Together``: the limits of the provider called ``name``.

    Args:
        shared: the Redis.
        name: by which all replicas know the provider.
        requests_per_minute: as ``Limiter`` has it, of all replicas together; so are the next two.
        tokens_per_minute: most tokens per period.
        max_in_flight: most calls at once. A replica that died counts for ``LEASE_S`` more.
        period_s: length of the "minute".
    """

    def __init__(
        self,
        shared: Shared,
        name: str,
        *,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        max_in_flight: int | None,
        period_s: float = 60.0,
    ) -> None:
        self._shared = shared
        self._replica = uuid4().hex
        base = shared.key("provider", name)
        self._keys = [f"{base}:{part}" for part in ("starts", "order", "tokens", "flying", "waiting", "pause")]
        count, window = (-1, 0.0) if requests_per_minute is None else windows(requests_per_minute, period_s)
        most_tokens = -1 if tokens_per_minute is None else math.floor(tokens_per_minute)
        self._limits = (-1 if max_in_flight is None else max_in_flight, count, _us(window), most_tokens)
        self._period = _us(period_s * GUARD)
        self._tickets = 0
        self._turn = asyncio.Lock()  # so that numbers of calls in flight arrive in the order of their making
        self._in_flight, self._waiting, self._pause_s = 0, 0, 0.0
        self._used: dict[str, int] = {}
        shared.beats(self)

    @property
    def alone(self) -> bool:
        return self._shared.alone

    @property
    def alone_since(self) -> float:
        return self._shared.alone_since

    async def enter(self, tokens: int, in_flight: int) -> tuple[str | None, float]:
        self._tickets += 1
        self._in_flight, self._waiting = in_flight, max(1, self._waiting)
        ticket = f"{self._replica}-{self._tickets}"
        flying, count, window, most = self._limits
        told: Sequence[str | int] = (
            self._replica, in_flight, flying, count, window, most, self._period, ticket, tokens,
            _us(LEASE_S), _us(_GRACE_S),
        )  # fmt: skip
        try:
            async with self._turn:
                started, wait = await self._shared.run(_ENTER, self._keys, told)
        except SharedLost:
            return None, 0.0
        except BaseException:
            # Cancelled on the way: whether it was let in is not known, so it is taken back.
            self.settle(ticket, 0)
            raise
        self._in_flight += started  # others may have ended meanwhile
        return (ticket, 0.0) if started else (None, wait / 1e6)

    def settle(self, ticket: str, tokens: int) -> None:
        self._used[ticket] = tokens
        self._shared.soon(self)

    def left(self, in_flight: int, waiting: int) -> None:
        self._in_flight, self._waiting = in_flight, waiting
        self._shared.soon(self)

    def pause(self, seconds: float) -> None:
        self._pause_s = max(self._pause_s, seconds)
        self._shared.soon(self)

    def become(self, other: "ProviderGate") -> None:
        self._limits, self._period = other._limits, other._period

    @property
    def at_work(self) -> bool:
        """Whether its calls have to be told of before ``LEASE_S`` are over."""
        return self._in_flight > 0

    async def report(self) -> None:
        """Tell Redis what happened since the last time; what it cannot be told now is told no more.

        Raises:
            SharedLost: it is gone. Estimates stay counted then, until their minute is over.
        """
        async with self._turn:
            used, self._used = self._used, {}
            pause, self._pause_s = self._pause_s, 0.0
            pairs = [item for pair in used.items() for item in pair]
            told = [self._replica, self._in_flight, _us(LEASE_S), int(self._waiting > 0), _us(pause), *pairs]
            await self._shared.run(_REPORT, self._keys, told)


def _us(seconds: float) -> int:
    return math.ceil(seconds * 1e6)
