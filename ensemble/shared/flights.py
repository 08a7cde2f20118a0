"""Work that replicas do once: the first leads, the others wait for what comes of it; a leader that dies frees them.

The lock with its lease is redis-py's own. What came of the work is told under the leader's token, so that nobody takes
the outcome of a later flight for that of the one it waited for.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ensemble.shared.link import Shared, SharedLost

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.lock import Lock

LEASE_S = 10.0
"""How long a leader that says nothing is taken to be at work."""
_TOLD_S = 60.0
"""How long what came of a flight can be heard."""
_LOOK_S, _LOOK_MOST_S = 0.02, 0.2
"""Seconds between two looks of who waits: at first, and later."""


@dataclass(frozen=True, slots=True)
class Landed:
    """Somebody else did the work, or none can be shared: ``result`` is what came of it, None for nothing."""

    result: str | None


class Lead:
    """The right, and the duty, to do the work of one flight; ``land`` ends it."""

    at_work = True

    def __init__(self, shared: Shared, key: str, lock: "Lock") -> None:
        self._shared, self._key, self._lock = shared, key, lock
        shared.beats(self)

    async def report(self) -> None:
        """Say that the leader is still at work."""
        await self._shared.ask(lambda _: _owned(self._lock.reacquire))

    async def land(self, result: str | None) -> None:
        """Tell those who wait what came of it, None for nothing; without Redis they go on by themselves in time."""
        told = f"{self._key}:{_token(self._lock)}"

        async def telling(redis: "Redis") -> None:
            await redis.set(told, result or "", px=int(_TOLD_S * 1000))
            await _owned(self._lock.release)

        with suppress(SharedLost):
            await self._shared.ask(telling)


async def join(shared: Shared, name: str) -> Lead | Landed:
    """Lead the flight called ``name``, or wait until it has landed; while Redis is gone each works by itself."""
    key = shared.key("flight", name)
    try:
        while True:
            lock = await shared.ask(lambda redis: _tried(redis, key))
            if lock is not None:
                return Lead(shared, key, lock)
            result = await _landed(shared, key)
            if result is not None:
                return Landed(result or None)
    except SharedLost:
        return Landed(None)


async def _tried(redis: "Redis", key: str) -> "Lock | None":
    lock = redis.lock(key, timeout=LEASE_S, blocking=False, thread_local=False)
    return lock if await lock.acquire() else None


async def _landed(shared: Shared, key: str) -> str | None:
    """What the leader of now tells in the end, "" for nothing; None where it has gone without a word."""
    token = await shared.ask(lambda redis: redis.get(key))
    pause = _LOOK_S
    while token is not None:
        told, leads = await shared.ask(lambda redis, token=token: redis.mget(key + ":" + token, key))  # type: ignore[misc]
        if told is not None:
            return str(told)
        if leads != token:
            break
        await asyncio.sleep(pause)
        pause = min(_LOOK_MOST_S, pause * 1.5)
    return None


async def _owned(step: Callable[[], Awaitable[object]]) -> None:
    """Take ``step`` of a lock; that somebody else has it by now is no failure of Redis."""
    from redis.exceptions import LockError

    with suppress(LockError):
        await step()


def _token(lock: "Lock") -> str:
    token = lock.local.token
    return token.decode() if isinstance(token, bytes) else str(token)
