"""Reserve, then settle: no key goes beyond its limits, whoever else asks with it at the same moment, on any process."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

from ensemble.allowance import Amount, Limit, What, seconds_left, start_of
from ensemble.errors import BudgetExceeded, EnsembleError, LimitExceeded, StoreError, StoreUnavailable
from ensemble.money import usd
from ensemble.store import Store, budgets
from ensemble.store.api_keys import Key
from ensemble.store.budgets import Spending, Spent, Standing

SETTLED_WITHIN = timedelta(hours=1)
"""After its deadline a request is given so long, stragglers included; what is set aside then is settled by a sweep."""

SOON_S = 1.0
"""When to ask again where only what is set aside for requests under way stands in the way: most of it comes back."""

MOST_REMEMBERED = 10_000
"""Keys that have used up a limit on requests, remembered until its window is over."""


class Reservations(Protocol):
    """Where limits of keys are kept: in the log, for all processes that serve it. Exact under concurrency."""

    async def begin(self, key: Key, moment: datetime) -> tuple[Standing | None, list[Standing]]:
        """Count one more request of ``key``; the limit that does not leave it, or None; and how all stand then.

        Raises:
            StoreUnavailable: nobody can know, so nobody is served.
        """
        ...

    async def set_aside(self, spending: Spending, limits: Sequence[Limit], amount: Amount) -> Standing | None:
        """Set ``amount`` aside; the limit that does not leave it, or None. Raises StoreUnavailable as ``begin``."""
        ...

    def settle(self, spent: Spent) -> None:
        """Give back, soon, what was set aside beyond what was used, and is kept for calls that go on."""
        ...


class LogReservations:
    """Reservations in the log itself."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._spent: list[Spent] = []
        self._stir = asyncio.Event()
        self._full: dict[str, tuple[str, Standing, list[Standing]]] = {}

    async def begin(self, key: Key, moment: datetime) -> tuple[Standing | None, list[Standing]]:
        if (known := self._full.get(key.id)) is not None:
            # Requests never come back within their window, so whoever floods its limit costs the log nothing.
            window, full, standings = known
            if full.limit in key.limits and start_of(full.limit.per, moment) == window:
                return full, standings
        try:
            full_now, standings = await self._store.change(
                partial(budgets.begin, key=key.id, limits=key.limits, moment=moment)
            )
        except StoreError as error:
            raise StoreUnavailable(f"the limits of the key cannot be read: {error}") from error
        if full_now is not None and full_now.limit.what == "requests":
            if len(self._full) >= MOST_REMEMBERED:
                self._full.clear()
            self._full[key.id] = start_of(full_now.limit.per, moment), full_now, standings
        return full_now, standings

    async def set_aside(self, spending: Spending, limits: Sequence[Limit], amount: Amount) -> Standing | None:
        change = partial(budgets.set_aside, spending=spending, limits=limits, amount=amount)
        try:
            if any(one.spending.request == spending.request for one in self._spent):
                # What ended before goes first: written after this, it would settle this too, and for nothing.
                await self.write_off()
            return await self._store.change(change)
        except StoreError as error:
            raise StoreUnavailable(f"the budget of the key cannot be kept: {error}") from error

    def settle(self, spent: Spent) -> None:
        self._spent.append(spent)
        self._stir.set()

    async def news(self, patience_s: float) -> None:
        """Wait until there is something to settle, ``patience_s`` seconds at the most."""
        try:
            async with asyncio.timeout(patience_s):
                await self._stir.wait()
        except TimeoutError:
            return
        self._stir.clear()

    async def write_off(self) -> None:
        """Settle what has gathered. Raises StoreError; it then goes with the next, or is swept in time."""
        spent, self._spent = self._spent, []
        try:
            if spent:
                await self._store.change(partial(budgets.settle, spent=spent))
        except StoreError:
            self._spent = spent + self._spent
            raise

    async def sweep(self) -> None:
        """Settle what processes that have died left behind. Raises StoreError."""
        await self._store.change(partial(budgets.sweep, moment=datetime.now(UTC)))


def refusal(full: Standing, moment: datetime, call: Amount | None = None) -> EnsembleError:
    """What a client is told of the limit that does not leave what it asks for: a request, or the most of a ``call``."""
    limit, most = full.limit, call.of(full.limit.what) if call else 0
    # What is more than the whole limit fits into no later window either.
    wait = seconds_left(limit.per, moment) if most <= limit.most else None
    used, need = (usd(full.used), usd(most)) if limit.what == "usd" else (str(full.used), str(most))
    asked = f"the {need} that a call may take" if call else "it"
    told = f"the key's limit {limit} does not leave {asked}: {used} used or set aside"
    if full.held and full.used - full.held + most <= limit.most:
        error = BudgetExceeded if limit.what == "usd" else LimitExceeded
        return error(f"{told} for requests under way; ask again soon", retry_after_s=SOON_S)
    if limit.what == "usd":
        return BudgetExceeded(f"{told}; ask for a larger budget", retry_after_s=wait)
    return LimitExceeded(f"{told}; ask again in the next {limit.per}" if wait else told, retry_after_s=wait)


@dataclass(slots=True)
class KeyAllowance:
    """The ``Allowance`` of one request that came with a key which has limits.

    What its calls give back is used by its later ones; the rest goes back to the key once the request has ended.
    From then on calls that go on, and later ones, are apart (``Spending.late``).
    """

    spending: Spending
    limits: tuple[Limit, ...]
    reservations: Reservations
    refused: EnsembleError | None = None
    _free: Amount = field(default_factory=Amount)
    _used: Amount = field(default_factory=Amount)
    _out: Amount = field(default_factory=Amount)
    _open: int = 0
    _taking: int = 0
    _ended: bool = False
    _held: bool = False

    @property
    def bounded(self) -> frozenset[What]:
        return frozenset(limit.what for limit in self.limits)

    async def take(self, most: Amount) -> bool:
        self._open += 1
        try:
            return await self._take(most)
        except BaseException:
            self._leave()
            raise

    async def _take(self, most: Amount) -> bool:
        more = Amount(
            tokens=max(0, most.tokens - self._free.tokens), nano_usd=max(0, most.nano_usd - self._free.nano_usd)
        )
        self._free = self._free + more - most  # before anybody else of the request can take it
        if more != Amount():
            self._held = True
            self._taking += 1
            try:
                full = await self.reservations.set_aside(self.spending, self.limits, more)
                refused = None if full is None else refusal(full, datetime.now(UTC), more)
            except StoreUnavailable as error:
                refused = error  # not the provider's fault, which an exception from here would be taken for
            except BaseException:
                self._free = self._free + most - more
                raise
            finally:
                self._taking -= 1
            if refused is not None:
                self._free = self._free + most - more
                self.refused = refused
                self._leave()
                return False
        self._out = self._out + most
        return True

    def settle(self, most: Amount, used: Amount) -> None:
        self._free = self._free + most - used
        self._used = self._used + used
        self._out = self._out - most
        self._leave()

    def end(self) -> None:
        """The request has been answered or has failed; calls that go on are settled when they end."""
        self._ended = True
        if self._taking:
            return  # what the log is setting aside just now stands under the request itself
        self._settle()
        self.spending = replace(self.spending, late=True)

    def _leave(self) -> None:
        self._open -= 1
        if self._ended and not self._open:
            self._settle()

    def _settle(self) -> None:
        if self._held:
            self.reservations.settle(Spent(spending=self.spending, used=self._used, kept=self._out))
            self._used, self._free, self._held = Amount(), Amount(), self._out != Amount()
