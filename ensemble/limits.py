"""What one provider allows: requests and tokens per minute, calls in flight, and the pauses that it asks for.

Everybody who wants to start waits in one queue, first come, first served, and only the head of the queue looks at the
limits: ten thousand waiters cost no more than one. That is also why asyncio-throttle, which lets every waiter poll for
itself (80 % of a core for 1,000 of them, and a quarter of the grants out of order), stands behind a lock here.

Where other processes keep the same limits (``Together``), the head asks what they keep in common as well, and this
process goes by its own part of each limit while that cannot be asked.
"""

import asyncio
import math
from collections import deque
from typing import Protocol, Self

from asyncio_throttle.throttler import Throttler

_MOST_WINDOWS = 60  # so that a "minute" is spread over seconds
_SHORTEST_S = 0.25  # against polls every 0.01 s
_LEAST_BURST = 10  # a fan-out of several calls should not wait for itself
GUARD = 1.02  # calls reach the provider later than they start, and not all equally late: 1.2 s in a minute
_CUT = 0.5
_LOOK_S = 1.0  # what is kept in common may have changed: others ended, or it can be asked again


class Together(Protocol):
    """Limits that this process keeps together with others."""

    @property
    def alone(self) -> bool:
        """Whether this process goes by its own part: what is common cannot be asked, or could not be lately."""
        ...

    @property
    def alone_since(self) -> float:
        """When it began to, by the loop's clock; what the others had started just before is not known."""
        ...

    async def enter(self, tokens: int, in_flight: int) -> tuple[str | None, float]:
        """Ask for one more call beside ``in_flight``: the ticket to start, or None and the seconds to wait.

        Without an answer both are empty: (None, 0).
        """
        ...

    def settle(self, ticket: str, tokens: int) -> None:
        """The call of ``ticket`` used ``tokens``."""
        ...

    def left(self, in_flight: int, waiting: int) -> None:
        """A call has ended or a waiter has gone; so many are left."""
        ...

    def pause(self, seconds: float) -> None:
        """Let nobody start for ``seconds``, in no process."""
        ...

    def become(self, other: Self) -> None:
        """Go by the limits of ``other``, which nobody has asked."""
        ...


class Slot:
    """The right to make one call, which ends with the block that this is the context of; tell it how the call went."""

    __slots__ = ("_limiter", "_number", "_spent", "_ticket")

    def __init__(self, limiter: "Limiter", number: int, spent: "_Spent | None", ticket: str | None) -> None:
        self._limiter = limiter
        self._number = number
        self._spent = spent
        self._ticket = ticket

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._limiter._leave()

    def settle(self, tokens_used: int) -> None:
        """Replace the estimate of tokens by what the provider counted."""
        if self._spent is not None:
            self._limiter._settle(self._spent, tokens_used, self._ticket)

    def overloaded(self) -> None:
        """The provider answered 429 or 529: halve the calls in flight, once for all calls that were under way."""
        self._limiter._overloaded(self._number)

    def succeeded(self) -> None:
        """The call went well: after a cut, let one more call in per round of calls."""
        self._limiter._succeeded(self._number)


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
        together: the same limits in common with other processes; None where this one has the provider to itself.
        parts: into how many parts they fall while what is common cannot be asked. Requests and tokens are divided
            exactly; of calls in flight each process keeps at least one.
    """

    def __init__(
        self,
        *,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        max_in_flight: int | None,
        period_s: float = 60.0,
        together: Together | None = None,
        parts: int = 1,
    ) -> None:
        own = None if requests_per_minute is None else windows(requests_per_minute / parts, period_s)
        self._throttle = None if own is None else _throttle(*own)
        self._window = 0.0 if own is None else own[1]
        self._tokens = None if tokens_per_minute is None else _Tokens(tokens_per_minute / parts, period_s * GUARD)
        self._most = math.inf if max_in_flight is None else float(max_in_flight)
        self._own_most = max(1.0, self._most // parts) if max_in_flight is not None else math.inf
        self._together = together
        self._allowed = self._most
        self._full_at = 0  # number of the call that filled the house last
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

    def at_once(self, tokens: int) -> Slot | None:
        """Start a call that needs about ``tokens`` tokens, or None where it has to wait: without a queue of one."""
        if self._waiting or self._throttle is not None or self._together is not None or self._obstacle(tokens) > 0:
            return None
        return self._start(tokens)

    async def turn(self, tokens: int) -> Slot:
        """Wait for the turn of a call that needs about ``tokens`` tokens.

        A waiter that is cancelled leaves the queue and takes nothing with it.
        """
        return self.at_once(tokens) or await self._enter(tokens)

    async def _enter(self, tokens: int) -> Slot:
        self._waiting += 1
        try:
            async with self._turn:
                ticket = await self._admit(tokens)
                return self._start(tokens, ticket)
        except BaseException:
            if self._together is not None:
                self._together.left(self._in_flight, self._waiting - 1)
            raise
        finally:
            self._waiting -= 1

    def _start(self, tokens: int, ticket: str | None = None) -> Slot:
        spent = self._tokens.spend(_now(), tokens) if self._tokens is not None else None
        self._in_flight += 1
        self._started += 1
        if self._in_flight + 1 > self._allowed:
            self._full_at = self._started
        return Slot(self, self._started, spent, ticket)

    def _leave(self) -> None:
        self._in_flight -= 1
        if self._waiting:
            self._changed.set()
        if self._together is not None:
            self._together.left(self._in_flight, self._waiting)

    def pause(self, seconds: float) -> None:
        """Let nobody start for ``seconds`` from now (Retry-After); a longer pause that is in force stays."""
        self._paused_until = max(self._paused_until, _now() + seconds)
        if self._together is not None:
            self._together.pause(seconds)

    def become(self, other: "Limiter") -> None:
        """Go by the limits of ``other``, which nobody has used; what waits, has started or was used here counts on.

        Whoever waits for the request rate at this moment still waits by the old one.
        """
        if other is self:
            return
        uncut = self._allowed == self._most
        if self._throttle is not None and other._throttle is not None:
            other._throttle._task_logs.extend(self._throttle._task_logs)
        self._throttle, self._window = other._throttle, other._window
        if self._tokens is not None and other._tokens is not None:
            self._tokens.limit = other._tokens.limit
        else:
            self._tokens = other._tokens
        self._most, self._own_most = other._most, other._own_most
        self._allowed = self._most if uncut else min(self._allowed, self._most)
        if self._together is not None and other._together is not None:
            self._together.become(other._together)
        self._changed.set()

    @property
    def _alone(self) -> bool:
        return self._together is None or self._together.alone

    async def _admit(self, tokens: int) -> str | None:
        """Return when a call may start, with nothing to wait for in between: only the head of the queue is in here.

        What comes back is the ticket of what is kept in common, None where nothing is or it could not be asked.
        """
        right = False
        while True:
            self._changed.clear()
            wait = self._obstacle(tokens)
            if wait <= 0 and self._throttle is not None and self._alone and not right:
                # Last, since a right to start that waits for something else would start too near to the next ones.
                await self._throttle.acquire()  # type: ignore[no-untyped-call]  # the library has no annotations
                wait = self._obstacle(tokens)
                right = wait <= 0
            if wait <= 0 and self._together is not None:
                alone = self._alone
                ticket, wait = await self._together.enter(tokens, self._in_flight)
                if ticket is not None:
                    return ticket
                if wait <= 0 and not alone:
                    continue  # nobody answered, for the first time: now the own part holds
            if wait <= 0:
                return None
            await self._change(wait)

    def _obstacle(self, tokens: int) -> float:
        """Seconds until it is worth looking again: 0 to start now, infinite where only a call's end can help."""
        alone = self._together is None or self._together.alone
        most = self._own_most if alone and self._own_most < self._allowed else self._allowed
        if self._in_flight and self._in_flight + 1 > most:
            return math.inf
        if not self._paused_until and self._tokens is None and self._together is None:
            return 0.0  # nothing depends on the time, as nearly always
        now = _now()
        if self._paused_until > now:
            return self._paused_until - now
        if not alone:
            return 0.0
        if self._together is not None and (begun := self._together.alone_since + self._window) > now:
            return begun - now  # until then the others' last requests count
        return self._tokens.wait(now, tokens) if self._tokens is not None else 0.0

    async def _change(self, wait: float) -> None:
        if self._together is not None:
            wait = min(wait, _LOOK_S)
        try:
            async with asyncio.timeout(None if wait == math.inf else wait):
                await self._changed.wait()
        except TimeoutError:
            return

    def _settle(self, spent: "_Spent", tokens_used: int, ticket: str | None) -> None:
        if self._tokens is not None:
            self._tokens.correct(spent, tokens_used)
            self._changed.set()
        if self._together is not None and ticket is not None:
            self._together.settle(ticket, tokens_used)

    def _overloaded(self, number: int) -> None:
        # Fifty calls that were under way together report one overload, not fifty.
        if number > self._cut_at:
            self._cut_at = self._started
            self._allowed = max(1.0, min(self._allowed, self._in_flight) * _CUT)

    def _succeeded(self, number: int) -> None:
        # Room that is not used proves nothing, so only a call that saw a full house earns more.
        if self._allowed < self._most and self._full_at >= number:
            self._allowed = min(self._most, self._allowed + 1 / self._allowed)
            self._changed.set()


class _Spent:
    __slots__ = ("at", "tokens")

    def __init__(self, at: float, tokens: int) -> None:
        self.at = at
        self.tokens = tokens


class _Tokens:
    """Tokens of the calls that started within the last period."""

    def __init__(self, limit: float, period: float) -> None:
        self.limit = limit
        self._period = period
        self._log: deque[_Spent] = deque()
        self._sum = 0

    def wait(self, now: float, tokens: int) -> float:
        """Seconds until the oldest call stops counting, 0 where ``tokens`` fit already."""
        self._forget(now)
        if not self._log or self._sum + tokens <= self.limit:
            return 0.0
        return self._log[0].at + self._period - now

    def _forget(self, now: float) -> None:
        while self._log and self._log[0].at + self._period <= now:
            old = self._log.popleft()
            self._sum -= old.tokens
            old.at = -math.inf  # a correction that comes later must not count

    def spend(self, now: float, tokens: int) -> _Spent:
        self._forget(now)
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


def _throttle(count: int, window: float) -> Throttler:
    # A tenth of the spacing is precise enough, and a poll ten times a second is felt by nobody.
    return Throttler(count, period=window, retry_interval=min(0.1, max(0.01, window / count / 10)))


def windows(limit: float, period: float) -> tuple[int, float]:
    """(count, seconds): at most ``count`` starts in any ``seconds`` keep any ``period`` at or below ``limit``.

    The shortest windows that still hold ten requests and lose at most 2 % of the limit to rounding; asyncio-throttle
    takes whole counts only, so a limit below one stretches the window instead.
    """
    if limit < 1:
        return 1, period / limit * GUARD
    number = next(
        n
        for n in range(max(1, min(_MOST_WINDOWS, int(limit // _LEAST_BURST), int(period // _SHORTEST_S))), 0, -1)
        if n == 1 or limit - n * (limit // n) <= 0.02 * limit
    )
    return int(limit // number), period / number * GUARD
