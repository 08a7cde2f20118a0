"""The connection to the Redis that replicas share, behind a circuit: one that is gone or hangs costs one timeout.

After the first failure nobody asks again until a probe in the background has had an answer, so each user of it falls
back at once. The probe writes, since a Redis that is full or a read-only copy answers a PING and serves for nothing.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakSet

from ensemble.errors import ConfigError
from ensemble.shared.settings import SharedSettings

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

T = TypeVar("T")
_LATE = 0.2
"""Share of the timeout by which its timer rings late where the process had no time to look."""
PROBE_S = 0.5
"""Seconds between two probes of a Redis that is gone."""
MOST_CONNECTIONS = 64
BEAT_S = 3.0
"""Seconds between two times that a replica says that it is still at work."""
GATHER_S = 0.005
"""Seconds for which news gather, so that a busy replica makes one report of many."""
SETTLED_S = 62.0
"""Seconds after its return until Redis knows of everything that still counts: a minute, and what it is spread by."""


class SharedLost(Exception):
    """The shared Redis did not answer, or not in time: whoever asked goes on by what it does without."""


class Reporter(Protocol):
    """Somebody who has news for Redis that nobody waits for."""

    @property
    def at_work(self) -> bool:
        """Whether others must hear of it now and then."""
        ...

    async def report(self) -> None:
        """Tell the news. Raises SharedLost; it must then not keep them."""
        ...


class Shared:
    """One Redis, shared with other replicas; open it with ``open_shared``."""

    def __init__(self, client: "Redis", settings: SharedSettings) -> None:
        self._client, self.settings = client, settings
        self._scripts: dict[str, Callable[..., Awaitable[Any]]] = {}
        self._lost: str | None = None
        self._back_at = -math.inf
        self._excused_at = math.inf
        self.alone_since = -math.inf
        """Since when, by the loop's clock, each replica goes by its own part; of the past while ``alone`` is false."""
        self.settled_s = SETTLED_S
        self._stir, self._news = asyncio.Event(), asyncio.Event()
        self._due: dict[Reporter, None] = {}
        self.reporting = False
        """Whether there is news that Redis has not been told."""
        self._beating: WeakSet[Reporter] = WeakSet()

    @property
    def replicas(self) -> int:
        """Services that share it, as configured."""
        return self.settings.replicas or 1

    @property
    def lost(self) -> str | None:
        """Why nobody asks it at the moment, without any secret; None while it answers."""
        return self._lost

    @property
    def alone(self) -> bool:
        """Whether each replica goes by its own part of the limits.

        So it does while Redis is gone, and for a minute more: what others started meanwhile is not known there.
        """
        return self._lost is not None or _now() < self._back_at + self.settled_s

    def beats(self, reporter: "Reporter") -> None:
        """Have ``reporter`` report every few seconds while it is at work, as long as somebody holds it."""
        self._beating.add(reporter)

    def soon(self, reporter: "Reporter") -> None:
        """Have ``reporter`` report as soon as nothing else is to be done."""
        self._due[reporter] = None
        self.reporting = True
        self._news.set()

    def key(self, kind: str, name: str) -> str:
        """The name of a key; the braces keep all keys of one thing on one node of a cluster."""
        return f"{self.settings.prefix}:{kind}:{{{name}}}"

    async def ask(self, make: Callable[["Redis"], Awaitable[T]]) -> T:
        """What the Redis says to ``make``.

        Raises:
            SharedLost: it is gone; it may have done all the same what it was asked.
        """
        if self._lost is not None:
            raise SharedLost(self._lost)
        begun = _now()
        try:
            said = await self._in_time(make)
        except SharedLost as error:
            if not self._excused(begun):
                self._lose(str(error))
            raise
        self._excused_at = math.inf
        return said

    def _excused(self, begun: float) -> bool:
        """Whether a failure of what began then may be this process's own, which was too busy to look in time.

        Then the timer rang late. It excuses what was asked at that moment and nothing that was asked after it, so a
        Redis that hangs costs a busy process two timeouts.
        """
        now = _now()
        if begun > self._excused_at or now - begun < self.settings.timeout_s * (1 + _LATE):
            return False
        self._excused_at = min(now, self._excused_at)
        return True

    async def run(self, script: str, keys: Sequence[str], args: Sequence[str | int | float]) -> Any:
        """What ``script``, in Lua, returns; it runs as one step, with nothing in between. Raises as ``ask``."""
        made = self._scripts.get(script)
        if made is None:
            made = self._scripts[script] = self._client.register_script(script)
        call = made
        return await self.ask(lambda _: call(keys=keys, args=args))

    async def _in_time(self, make: Callable[["Redis"], Awaitable[T]]) -> T:
        from redis.exceptions import RedisError

        task = asyncio.current_task()
        cancelled = task.cancelling() if task else 0
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                return await make(self._client)
        except TimeoutError:
            raise SharedLost(f"no answer within {self.settings.timeout_s:g} s") from None
        except (RedisError, OSError) as error:
            # Only its kind and first words: they name host and port, and never the password.
            raise SharedLost(f"{type(error).__name__}: {str(error)[:200]}") from None
        finally:
            # redis-py 8.1 swallows about one cancellation in five: the task would go on as if nobody had ended it.
            if task and task.cancelling() > cancelled:
                raise asyncio.CancelledError

    def _lose(self, why: str) -> None:
        if self._lost is None:
            if not self.alone:
                self.alone_since = _now()
            self._lost = why
            self._stir.set()
            log.error("the shared Redis is gone, each replica takes its own part of the limits: %s", why)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def look(self) -> str | None:
        """Why it cannot be used now, whatever is known of it; None where it can."""
        try:
            await self._in_time(lambda client: client.set(f"{self.settings.prefix}:probe", "1", px=10_000))
        except SharedLost as error:
            return str(error)
        return None

    async def probe(self) -> None:
        """Find out whether it can be used, and go by that."""
        why = await self.look()
        if why is not None:
            self._lose(why)
            self._lost = why
        elif self._lost is not None:
            self._lost, self._back_at = None, _now()
            log.warning("the shared Redis is back")

    async def reports(self) -> None:
        """Let those report who have something to say, for ever; ``open_shared`` owns the task."""
        beat_at = _now() + BEAT_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(beat_at):
                    await self._news.wait()
            # By the clock, since news of others may leave no moment without any.
            if _now() >= beat_at:
                self._due.update(dict.fromkeys(one for one in self._beating if one.at_work))
                beat_at = _now() + BEAT_S
            await asyncio.sleep(GATHER_S)
            self._news.clear()
            due = list(self._due)
            for reporter in due:
                self._due.pop(reporter, None)  # what comes from now on is told the next time
                try:
                    await reporter.report()
                except SharedLost:
                    continue
                except Exception:
                    log.exception("a report to the shared Redis failed")  # which must not silence all others
            self.reporting = bool(self._due)

    async def watch(self) -> None:
        """Probe it while it is gone, for ever; ``open_shared`` owns the task."""
        while True:
            await self._stir.wait()
            while self._lost is not None:
                await asyncio.sleep(PROBE_S)
                await self.probe()
            self._stir.clear()


@asynccontextmanager
async def open_shared(settings: SharedSettings) -> AsyncIterator[Shared | None]:
    """Connect to the Redis of ``settings``, None where none is named; one that is gone is waited for by nobody.

    Raises:
        ConfigError: the installation lacks the extra ``redis``.
    """
    if settings.url is None:
        yield None
        return
    shared = Shared(_client(settings), settings)
    await shared.probe()
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(shared.watch()), loop.create_task(shared.reports())]
    try:
        yield shared
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await shared.close()


async def fault(settings: SharedSettings) -> str | None:
    """Why the Redis of ``settings`` cannot be used now; None where it can, or none is named.

    Raises:
        ConfigError: as ``open_shared``.
    """
    if settings.url is None:
        return None
    shared = Shared(_client(settings), settings)
    try:
        return await shared.look()
    finally:
        await shared.close()


def _client(settings: SharedSettings) -> "Redis":
    try:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError as error:
        raise ConfigError(
            "[shared] url: the library for Redis is not installed; `pip install 'ensemble-judges[redis]'`"
        ) from error
    if settings.url is None:
        raise ValueError("there is no URL to connect to")
    patience_s = 2 * settings.timeout_s  # the timeout proper is ours, over all that one look takes
    pool = BlockingConnectionPool.from_url(
        settings.url.get_secret_value(),
        max_connections=MOST_CONNECTIONS,
        timeout=patience_s,
        socket_timeout=patience_s,
        socket_connect_timeout=patience_s,
        retry=Retry(NoBackoff(), 0),  # a retry would make several timeouts of one
        decode_responses=True,
    )
    return Redis.from_pool(pool)  # which closes it as well


def _now() -> float:
    return asyncio.get_running_loop().time()
