"""What one provider allows: requests and tokens per minute, calls in flight, and the pauses that it asks for.

Everybody who wants to start waits in one queue, first come, first served, and only the head of the queue looks at the
limits: ten thousand waiters cost no more than one. That is also why asyncio-throttle, which lets every waiter poll for
itself (80 % of a core for 1,000 of them, and a quarter of the grants out of order), stands behind a lock here.
"""

import asyncio
import math
from collections import deque

from asyncio_throttle.throttler import Throttler

_MOST_WINDOWS = 60  # so that a "minute" is spread over seconds
_SHORTEST_S = 0.25  # against polls every 0.01 s
_LEAST_BURST = 10  # a fan-out of several calls should not wait for itself
_GUARD = 1.02  # calls reach the provider later than they start, and not all equally late: 1.2 s in a minute
_CUT = 0.5


class Slot:
    """The right to make one call; tell it how the call went."""

    __slots__ = ("_limiter", "_number", "_spent")

    def __init__(self, limiter: "Limiter", number: int, spent: "_Spent | None") -> None:
        self._limiter = limiter
        self._number = number
        self._spent = spent

    def settle(self, tokens_used: int) -> None:
        """Replace the estimate of tokens by what the provider counted."""
        if self._spent is not None:
            self._limiter._settle(self._spent, tokens_used)

    def overloaded(self) -> None:
        """The provider answered 429 or 529: halve the calls in flight, once for all calls that were under way."""
        self._limiter._overloaded(self._number)

    def succeeded(self) -> None:
        """The call went well: after a cut, let one more call in per round of calls."""
        self._limiter._succeeded()


class Limiter:
    """One queue in front of one provider.

    Requests are spread over short windows of at least ten requests, so that a fan-out starts at once while no minute
    holds more than the limit wherever it starts. Tokens are counted over the last minute.

    Args:
        requests_per_minute: most calls started per period; fractions are fine, None is no limit.
        tokens_per_minute: most tokens per period; one call that alone needs more waits until nothing else counts.
        max_in_flight: most calls at once, None for no limit. After ``Slot.overloaded`` fewer are let in until
            ``Slot.succeeded`` has raised the number again (additive increase, multiplicative decrease: Chiu and Jain,
            1989).
        period_s: length of the "minute", for a provider that counts by another one.
    """

    def __init__(
        self,
        *,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        max_in_flight: int | None,
        period_s: float = 60.0,
    ) -> None:
        self._throttle = _throttle(requests_per_minute, period_s) if requests_per_minute is not None else None
        self._tokens = _Tokens(tokens_per_minute, period_s * _GUARD) if tokens_per_minute is not None else None
        self._most = math.inf if max_in_flight is None else float(max_in_flight)
        self._allowed = self._most
        self._turn = asyncio.Lock()  # wakes its waiters in the order of their coming
        self._changed = asyncio.Event()
        self._paused_until = 0.0
        self._waiting = 0
        self._in_flight = 0
        self._started = 0
        self._cut_at = 0

    @property
    def waiting(self) -> int:
        """Calls that want to start."""
        return self._waiting

    @property
    def in_flight(self) -> int:
        """Calls that have started and not ended."""
        return self._in_flight

    @property
    def allowed_in_flight(self) -> float:
        """Most calls at once for now; infinite where nothing limits them."""
        return self._allowed

    def slot(self, tokens: int) -> "_Place":
        """Wait for the turn of a call that needs about ``tokens`` tokens; the call ends with the block.

        A waiter that is cancelled leaves the queue and takes nothing with it.
        """
        return _Place(self, tokens)

    async def _enter(self, tokens: int) -> Slot:
        if not self._waiting and self._throttle is None and self._obstacle(tokens) <= 0:
            return self._start(tokens)  # as nearly always, without a queue of one
        self._waiting += 1
        try:
            async with self._turn:
                await self._admit(tokens)
                return self._start(tokens)
        finally:
            self._waiting -= 1

    def _start(self, tokens: int) -> Slot:
        spent = self._tokens.spend(_now(), tokens) if self._tokens is not None else None
        self._in_flight += 1
        self._started += 1
        return Slot(self, self._started, spent)

    def _leave(self) -> None:
        self._in_flight -= 1
        self._changed.set()

    def pause(self, seconds: float) -> None:
        """Let nobody start for ``seconds`` from now (Retry-After); a longer pause that is in force stays."""
        self._paused_until = max(self._paused_until, _now() + seconds)

    async def _admit(self, tokens: int) -> None:
        """Return when a call may start, with nothing to wait for in between: only the head of the queue is in here."""
        while True:
            self._changed.clear()
            wait = self._obstacle(tokens)
            if wait > 0:
                await self._change(wait)
            elif self._throttle is None:
                return
            else:
                # Last, since a right to start that waits for something else would start too near to the next ones.
                await self._throttle.acquire()  # type: ignore[no-untyped-call]  # the library has no annotations
                if self._obstacle(tokens) <= 0:
                    return

    def _obstacle(self, tokens: int) -> float:
        """Seconds until it is worth looking again: 0 to start now, infinite where only a call's end can help."""
        if self._in_flight >= max(1, math.floor(self._allowed) if self._allowed < math.inf else math.inf):
            return math.inf
        now = _now()
        if self._paused_until > now:
            return self._paused_until - now
        return self._tokens.wait(now, tokens) if self._tokens is not None else 0.0

    async def _change(self, wait: float) -> None:
        try:
            async with asyncio.timeout(None if wait == math.inf else wait):
                await self._changed.wait()
        except TimeoutError:
            return

    def _settle(self, spent: "_Spent", tokens_used: int) -> None:
        if self._tokens is not None:
            self._tokens.correct(spent, tokens_used)
            self._changed.set()

    def _overloaded(self, number: int) -> None:
        # Fifty calls that were under way together report one overload, not fifty.
        if number > self._cut_at:
            self._cut_at = self._started
            self._allowed = max(1.0, min(self._allowed, self._in_flight) * _CUT)

    def _succeeded(self) -> None:
        # Room that is not used proves nothing, so only a full house earns more.
        if self._allowed < self._most and self._in_flight >= math.floor(self._allowed):
            self._allowed = min(self._most, self._allowed + 1 / self._allowed)
            self._changed.set()


class _Place:
    """The block of one call; a class of its own, since a generator costs several times as much per call."""

    __slots__ = ("_limiter", "_tokens")

    def __init__(self, limiter: Limiter, tokens: int) -> None:
        self._limiter, self._tokens = limiter, tokens

    async def __aenter__(self) -> Slot:
        return await self._limiter._enter(self._tokens)

    async def __aexit__(self, *error: object) -> None:
        self._limiter._leave()


class _Spent:
    __slots__ = ("at", "tokens")

    def __init__(self, at: float, tokens: int) -> None:
        self.at = at
        self.tokens = tokens


class _Tokens:
    """Tokens of the calls that started within the last period."""

    def __init__(self, limit: float, period: float) -> None:
        self._limit = limit
        self._period = period
        self._log: deque[_Spent] = deque()
        self._sum = 0

    def wait(self, now: float, tokens: int) -> float:
        """Seconds until the oldest call stops counting, 0 where ``tokens`` fit already."""
        while self._log and self._log[0].at + self._period <= now:
            old = self._log.popleft()
            self._sum -= old.tokens
            old.at = -math.inf  # a correction that comes later must not count
        if not self._log or self._sum + tokens <= self._limit:
            return 0.0
        return self._log[0].at + self._period - now

    def spend(self, now: float, tokens: int) -> _Spent:
        spent = _Spent(now, tokens)
        self._log.append(spent)
        self._sum += tokens
        return spent

    def correct(self, spent: _Spent, tokens: int) -> None:
        if spent.at > -math.inf:
            self._sum += tokens - spent.tokens
            spent.tokens = tokens


def _now() -> float:
    return asyncio.get_running_loop().time()


def _throttle(limit: float, period: float) -> Throttler:
    count, window = windows(limit, period)
    # A tenth of the spacing is precise enough, and a poll ten times a second is felt by nobody.
    return Throttler(count, period=window, retry_interval=min(0.1, max(0.01, window / count / 10)))


def windows(limit: float, period: float) -> tuple[int, float]:
    """(count, seconds): at most ``count`` starts in any ``seconds`` keep any ``period`` at or below ``limit``.

    The shortest windows that still hold ten requests and lose at most 2 % of the limit to rounding; asyncio-throttle
    takes whole counts only, so a limit below one stretches the window instead.
    """
    if limit < 1:
        return 1, period / limit * _GUARD
    number = next(
        n
        for n in range(max(1, min(_MOST_WINDOWS, int(limit // _LEAST_BURST), int(period // _SHORTEST_S))), 0, -1)
        if n == 1 or limit - n * (limit // n) <= 0.02 * limit
    )
    return int(limit // number), period / number * _GUARD
