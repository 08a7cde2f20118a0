"""The queue in front of a provider, beside bare asyncio-throttle in the same run.

Storm: so many waiters at once that the limit takes seconds to let them all through. Out of order are those who start
after somebody who came later. Idle: as many waiters, and nobody may start. Upstream: calls on real HTTP, counted by
the server, which knows nothing of the limiter; what counts is the fullest window of one period, wherever it begins.
"""

import argparse
import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from asyncio_throttle.throttler import Throttler

from ensemble.limits import Limiter

STORM_PER_S, IDLE_S = 2500, 3.0
UPSTREAM_LIMIT, UPSTREAM_PERIOD_S, UPSTREAM_PERIODS = 600, 3.0, 4

Gate = Callable[[], AbstractAsyncContextManager[object]]
"""Opens the way for one call."""


def bare(limit: int, period_s: float) -> Gate:
    """asyncio-throttle as its documentation shows it."""
    throttler = Throttler(limit, period=period_s)

    @asynccontextmanager
    async def gate() -> AsyncIterator[None]:
        async with throttler:
            yield

    return gate


def ours(limit: int, period_s: float) -> Gate:
    """The limiter of the product."""
    limiter = Limiter(requests_per_minute=limit, tokens_per_minute=None, max_in_flight=None, period_s=period_s)

    @asynccontextmanager
    async def gate() -> AsyncIterator[None]:
        with await limiter.turn(1):
            yield

    return gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table; shares are in [0, 1]."""

    name: str
    out_of_order: float
    rate: float
    lag_p99_s: float
    idle_cpu: float
    fullest: int


async def storm(gate: Gate, waiters: int) -> tuple[float, float, float]:
    """(share out of order, starts per second, 99th percentile of the loop's lag in seconds)."""
    started: list[int] = []
    lags: list[float] = []
    begin = time.perf_counter()

    async def one(number: int) -> None:
        async with gate():
            started.append(number)

    async def watch() -> None:
        while len(started) < waiters:
            due = time.perf_counter() + 0.01
            await asyncio.sleep(0.01)
            lags.append(time.perf_counter() - due)

    async with asyncio.TaskGroup() as group:
        for number in range(waiters):
            group.create_task(one(number))
        group.create_task(watch())
    latest, late = -1, 0
    for number in started:
        late += number < latest
        latest = max(latest, number)
    return late / waiters, waiters / (time.perf_counter() - begin), sorted(lags)[int(len(lags) * 0.99)]


async def idle(gate: Gate, waiters: int) -> float:
    """Share of a core that waiting takes; ``gate`` must be shut for longer than this runs."""

    async def one() -> None:
        async with gate():
            pass

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one()) for _ in range(waiters)]
        await asyncio.sleep(0.5)
        spent = time.process_time()
        await asyncio.sleep(IDLE_S)
        spent = time.process_time() - spent
        for task in tasks:
            task.cancel()
    return spent / IDLE_S


class Upstream:
    """A provider in a thread of its own, which notes when every request arrives."""

    def __init__(self) -> None:
        self.arrived: list[float] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Upstream":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        async def answer(_: web.Request) -> web.Response:
            self.arrived.append(time.monotonic())
            return web.Response(text="ok")

        async def serve() -> web.AppRunner:
            app = web.Application()
            app.router.add_get("/", answer)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            self._ready.set()
            return runner

        runner = self._loop.run_until_complete(serve())
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    def fullest(self, period_s: float) -> int:
        """Most requests in any window of ``period_s``."""
        most, first = 0, 0
        for last, moment in enumerate(self.arrived):
            while self.arrived[first] <= moment - period_s:
                first += 1
            most = max(most, last - first + 1)
        return most


async def counted(gate: Gate) -> int:
    """What the server counts in its fullest period, of a storm that lasts for several."""
    calls = UPSTREAM_LIMIT * UPSTREAM_PERIODS
    with Upstream() as upstream:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def one() -> None:
                async with gate(), session.get(upstream.url) as reply:
                    await reply.read()

            async with asyncio.TaskGroup() as group:
                for _ in range(calls):
                    group.create_task(one())
        return upstream.fullest(UPSTREAM_PERIOD_S)


async def measure(name: str, make: Callable[[int, float], Gate], waiters: int) -> Row:
    """Every figure of one system."""
    shut = make(1, 3600.0)
    async with shut():
        pass
    idle_cpu = await idle(shut, waiters)
    # Each as it would be set up: bare, a limit per minute would let the whole minute's calls go in the first second.
    late, rate, lag = await storm(bare(STORM_PER_S, 1.0) if make is bare else make(STORM_PER_S * 60, 60.0), waiters)
    fullest = await counted(make(UPSTREAM_LIMIT, UPSTREAM_PERIOD_S))
    return Row(name=name, out_of_order=late, rate=rate, lag_p99_s=lag, idle_cpu=idle_cpu, fullest=fullest)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench/limiter", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--waiters", type=int, default=10_000, help="how many wait at once (default: %(default)s)")
    waiters = parser.parse_args().waiters
    print(
        f"{waiters:,} waiters; storm at {STORM_PER_S:,}/s; upstream at most {UPSTREAM_LIMIT} in {UPSTREAM_PERIOD_S:g} s"
    )
    print("| system | out of order | starts/s | loop lag p99, ms | idle: % of a core | fullest period upstream |")
    print("|---|---|---|---|---|---|")
    rows = []
    for name, make in (("asyncio-throttle, bare", bare), ("ensemble.limits.Limiter", ours)):
        row = asyncio.run(measure(name, make, waiters))
        rows.append(row)
        print(
            f"| {row.name} | {row.out_of_order:.1%} | {row.rate:,.0f} | {row.lag_p99_s * 1000:.1f} "
            f"| {row.idle_cpu:.1%} | {row.fullest} ({row.fullest / UPSTREAM_LIMIT:.1%} of the limit) |"
        )
    floor, limiter = rows
    print(
        f"scripts/bench/limiter: idle it takes {limiter.idle_cpu / max(floor.idle_cpu, 1e-9):.3f} of what bare "
        f"asyncio-throttle takes, and {limiter.out_of_order:.1%} start out of order against {floor.out_of_order:.1%}"
    )


if __name__ == "__main__":
    main()
