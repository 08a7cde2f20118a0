"""Redis gone or hanging: one timeout, then each replica's own part of the limit, and everything by itself again."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from time import monotonic, sleep, time

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from ensemble.limits import Limiter
from ensemble.shared.gate import LEASE_S
from ensemble.shared.link import BEAT_S, Shared, SharedLost, open_shared
from scripts._chaos_proxy import Mode, Proxy
from tests.ensemble.shared.test_gate import a_limiter, all_of
from tests.patience import PATIENCE_S
from tests.redis_here import NOWHERE, port, replicas, told, until
from tests.virtual import run_virtual

PING = "return 1"


def through(proxy: Proxy) -> SecretStr:
    return SecretStr(f"redis://127.0.0.1:{proxy.port}/0")


async def answering(shared: Shared) -> None:
    await until(lambda: shared.lost is None)


async def answered(shared: Shared) -> None:
    """Ask until there is an answer: where this process stalls, its own timers can be ahead of one that has come."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(SharedLost):
                assert await shared.run(PING, [], []) == 1
                return
            await asyncio.sleep(0.01)


def cut(proxy: Proxy, mode: Mode) -> None:
    """From now on nothing comes back, on connections that are open neither."""
    proxy.mode = mode
    if mode == "refuse":
        for writer in set(proxy._open):
            writer.transport.abort()


@pytest.mark.parametrize("mode", ["blackhole", "refuse"])
async def test_it_costs_one_timeout_and_not_one_for_each_who_asks(
    prefix: str, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    async with Proxy(port()) as proxy, replicas(prefix, 1, url=through(proxy), timeout_s=1.0) as (shared,):
        assert await shared.run(PING, [], []) == 1
        cut(proxy, mode)
        begun = monotonic()
        with caplog.at_level(logging.WARNING):
            for _ in range(50):
                with pytest.raises(SharedLost):
                    await shared.run(PING, [], [])
        assert monotonic() - begun < 25, "half of what 50 timeouts take"
        proxy.mode = "pass"
        await answering(shared)
        assert await shared.run(PING, [], []) == 1
    lines = [line.message for line in caplog.records if line.name == "ensemble.shared.link"]
    assert [line.split(",")[0].split(":")[0] for line in lines] == [
        "the shared Redis is gone",
        "the shared Redis is back",
    ]


async def test_a_process_that_was_too_busy_to_look_does_not_take_redis_for_gone(prefix: str) -> None:
    async with Proxy(port()) as proxy, replicas(prefix, 1, url=through(proxy), timeout_s=0.5) as (shared,):
        await shared.run(PING, [], [])
        proxy.mode = "blackhole"
        asked = [asyncio.get_running_loop().create_task(shared.run(PING, [], [])) for _ in range(3)]
        await asyncio.sleep(0.1)
        sleep(0.8)  # noqa: ASYNC251 - as a process does that is starved
        for task in asked:
            with pytest.raises(SharedLost):
                await task
        assert shared.lost is None
        proxy.mode = "pass"
        await answered(shared)
        proxy.mode = "blackhole"
        for _ in range(2):  # where it really had no time for the first one either
            with pytest.raises(SharedLost):
                await shared.run(PING, [], [])
        assert shared.lost is not None, "this time it had time to look"


async def test_a_redis_that_takes_no_writes_is_no_redis(prefix: str) -> None:
    """A full Redis, or a read-only copy, answers a PING; nothing can be counted in it."""
    async with replicas(prefix, 1) as (shared,):
        with pytest.raises(SharedLost, match="OutOfMemory"):
            await shared.run("return redis.error_reply('OOM command not allowed')", [], [])
        assert shared.lost is not None
        await answering(shared)


def test_who_is_at_work_beats_while_others_have_news_without_end() -> None:
    """What says nothing within ``LEASE_S`` is taken for dead, and its calls in flight for others to make."""

    @dataclass(eq=False)
    class Replica:
        shared: Shared
        talks: bool
        told_at: list[float] = field(default_factory=list)
        at_work: bool = True

        async def report(self) -> None:
            self.told_at.append(asyncio.get_running_loop().time())
            if self.talks:
                self.shared.soon(self)
            await asyncio.sleep(0.05)

    async def main() -> None:
        shared = Shared(Redis(), told("beats", timeout_s=1.0))
        talker, quiet = Replica(shared, talks=True), Replica(shared, talks=False)
        shared.beats(quiet)
        shared.soon(talker)
        reports = asyncio.get_running_loop().create_task(shared.reports())
        await asyncio.sleep(2 * LEASE_S)
        reports.cancel()
        assert len(talker.told_at) > 100
        assert len(quiet.told_at) >= 2 * LEASE_S // BEAT_S
        assert max(late - early for early, late in pairwise(quiet.told_at)) < LEASE_S / 2

    run_virtual(main())


async def test_a_replica_starts_without_redis(prefix: str) -> None:
    async with asyncio.timeout(PATIENCE_S), open_shared(told(prefix, url=NOWHERE)) as shared:
        assert shared is not None
        assert shared.lost is not None
        assert "hush" not in shared.lost
        assert shared.alone


async def test_each_goes_by_its_part_and_together_they_stay_within_the_limit(prefix: str) -> None:
    async with Proxy(port()) as proxy, replicas(prefix, 2, url=through(proxy), timeout_s=1.0) as several:
        limiters = [a_limiter(shared, requests_per_minute=40) for shared in several]
        for limiter in limiters:
            await all_of(limiter, 1)
        cut(proxy, "refuse")
        started = list[float]()

        async def one(limiter: Limiter) -> None:
            with await limiter.turn(1):
                started.append(time())

        async with asyncio.TaskGroup() as group:
            for number in range(80):
                group.create_task(one(limiters[number % 2]))
        # 80 calls at 40 a second: not an open gate, and not a closed one. A busy machine only makes it slower.
        assert len(started) == 80
        assert 1.4 < max(started) - min(started) < 8


async def test_tokens_and_calls_in_flight_are_divided_too(prefix: str) -> None:
    async with replicas(prefix, 1, url=NOWHERE, replicas=4) as (shared,):
        limiter = a_limiter(shared, tokens_per_minute=400, max_in_flight=9)
        first, second = await limiter.turn(1), await limiter.turn(1)
        waiting = asyncio.get_running_loop().create_task(limiter.turn(1))
        await asyncio.sleep(0.1)
        assert limiter.in_flight == 2
        with first:
            pass
        third = await waiting
        begun = time()
        with second, third:
            pass
        await all_of(limiter, 2, tokens=60)
        assert time() - begun > 0.7, "two calls of 60 tokens do not fit into a quarter of 400"


async def test_less_than_one_for_each_still_lets_somebody_through(prefix: str) -> None:
    """One call in flight for three: each keeps one. Two requests a second for four: one each, every two seconds."""
    async with replicas(prefix, 1, url=NOWHERE, replicas=4) as (shared,):
        await asyncio.wait_for(all_of(a_limiter(shared, max_in_flight=1), 3), PATIENCE_S)
        limiter = a_limiter(shared, requests_per_minute=2)
        begun = time()
        await asyncio.wait_for(all_of(limiter, 2), PATIENCE_S)
        assert time() - begun > 1.9


async def test_after_its_return_both_hold_until_redis_knows_all_that_counts(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ensemble.shared.link.PROBE_S", 0.05)
    async with Proxy(port()) as proxy, replicas(prefix, 1, url=through(proxy), timeout_s=1.0) as (shared,):
        shared.settled_s = 600.0
        limiter = a_limiter(shared, tokens_per_minute=100, period_s=600.0)
        cut(proxy, "refuse")
        await all_of(limiter, 1, tokens=50)
        proxy.mode = "pass"
        await answering(shared)
        assert shared.alone
        second = asyncio.get_running_loop().create_task(all_of(limiter, 1, tokens=50))
        await until(lambda: limiter.waiting)
        for _ in range(20):
            await shared.run(PING, [], [])
        assert (limiter.waiting, limiter.in_flight) == (1, 0), "its own part was used up"
        shared.settled_s = 0.0
        await asyncio.wait_for(second, PATIENCE_S)  # the whole limit is there again, and one of two parts of it used


async def test_who_is_cancelled_while_redis_is_asked_is_cancelled(prefix: str) -> None:
    """redis-py 8.1 swallows some cancellations; a task of ours must end all the same."""
    async with replicas(prefix, 1) as (shared,):
        for steps in range(30):

            async def asking() -> None:
                while True:
                    await shared.run(PING, [], [])

            task = asyncio.get_running_loop().create_task(asking())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=PATIENCE_S)
            assert done, f"cancelled after {steps} steps, and still at work"
