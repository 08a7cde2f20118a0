"""Limits of one provider that several replicas keep together, in a real Redis."""

import asyncio
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from time import time
from typing import Any

import pytest

from ensemble.limits import Limiter
from ensemble.shared import gate
from ensemble.shared.gate import ProviderGate
from ensemble.shared.link import Shared
from tests.patience import PATIENCE_S
from tests.redis_here import replicas, until

Grants = list[tuple[float, float, int]]
"""When Redis was asked and when it had granted, by the clock of the machine, and for how many tokens."""


def a_limiter(shared: Shared, **limits: Any) -> Limiter:
    known = {"requests_per_minute": None, "tokens_per_minute": None, "max_in_flight": None, "period_s": 1.0, **limits}
    return Limiter(**known, together=ProviderGate(shared, "sim", **known), parts=shared.replicas)


def noted(shared: Shared, patched: pytest.MonkeyPatch) -> Grants:
    """Every grant from now on, with the moments between which it was made."""
    grants: Grants = []
    run = shared.run

    async def running(script: str, keys: Sequence[str], args: Sequence[str | int | float]) -> Any:
        asked = time()
        said = await run(script, keys, args)
        if script == gate._ENTER and said[0]:
            grants.append((asked, time(), int(args[8])))
        return said

    patched.setattr(shared, "run", running)
    return grants


def most_in(grants: Grants, period: float, *, tokens: bool = False) -> int:
    """What was granted at the most within a period: of grants that were asked for and made within it."""
    made = sorted((granted, asked, size if tokens else 1) for asked, granted, size in grants)
    ends = [granted for granted, _, _ in made]
    found = 0
    for _, begin, _ in made:
        inside = made[: bisect_right(ends, begin + period)]
        found = max(found, sum(size for _, asked, size in inside if asked >= begin))
    return found


async def all_of(limiter: Limiter, count: int, *, tokens: int = 1, used: int | None = None) -> None:
    async def one() -> None:
        with await limiter.turn(tokens) as slot:
            await asyncio.sleep(0)
            slot.settle(tokens if used is None else used)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(one())


async def test_no_period_has_more_requests_than_the_limit_and_none_starves(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replicas(prefix, 3) as several:
        grants = [noted(shared, monkeypatch) for shared in several]
        async with asyncio.TaskGroup() as group:
            for shared in several:
                group.create_task(all_of(a_limiter(shared, requests_per_minute=40), 40))
        assert [len(one) for one in grants] == [40, 40, 40]
        assert most_in([one for each in grants for one in each], 1.0) <= 40
        early = sorted((granted, number) for number, one in enumerate(grants) for _, granted, _ in one)[:60]
        assert min(Counter(number for _, number in early).values()) >= 12, "one hardly had its turn"


async def test_no_period_has_more_tokens_than_the_limit(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with replicas(prefix, 2) as several:
        grants = [noted(shared, monkeypatch) for shared in several]
        begun = time()
        async with asyncio.TaskGroup() as group:
            for shared in several:
                group.create_task(all_of(a_limiter(shared, tokens_per_minute=1000), 15, tokens=100))
        together = [one for each in grants for one in each]
        assert most_in(together, 1.0, tokens=True) <= 1000
        assert len(together) == 30
        assert time() - begun > 2  # three times the limit


async def test_estimates_are_corrected_for_all(prefix: str) -> None:
    """By the estimates, 7,000 tokens would take an hour and more."""
    async with replicas(prefix, 2) as several, asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        for shared in several:
            limiter = a_limiter(shared, tokens_per_minute=1000, period_s=600.0)
            group.create_task(all_of(limiter, 35, tokens=100, used=10))


async def test_a_call_larger_than_the_limit_starts_when_nothing_else_counts(prefix: str) -> None:
    async with replicas(prefix, 2) as (one, other):
        begun = time()
        await asyncio.wait_for(all_of(a_limiter(one, tokens_per_minute=100), 1, tokens=50), PATIENCE_S)
        await asyncio.wait_for(all_of(a_limiter(other, tokens_per_minute=100), 1, tokens=500), PATIENCE_S)
        assert time() - begun > 0.9


async def test_calls_in_flight_count_together_and_a_greedy_replica_lets_others_in(prefix: str) -> None:
    flying, most, order = 0, 0, list[str]()

    async def one(limiter: Limiter, name: str) -> None:
        nonlocal flying, most
        with await limiter.turn(1):
            order.append(name)
            flying += 1
            most = max(most, flying)
            await asyncio.sleep(0.02)
            flying -= 1

    async with replicas(prefix, 2) as (greedy, modest), asyncio.TaskGroup() as group:
        many, few = a_limiter(greedy, max_in_flight=2), a_limiter(modest, max_in_flight=2)
        for _ in range(60):
            group.create_task(one(many, "greedy"))
        await until(lambda: len(order) >= 4)
        for _ in range(5):
            group.create_task(one(few, "modest"))
    assert most == 2
    assert Counter(order) == {"greedy": 60, "modest": 5}
    assert max(at for at, name in enumerate(order) if name == "modest") < 50, order


async def test_a_pause_that_one_is_asked_for_holds_all(prefix: str) -> None:
    async with replicas(prefix, 2) as (one, other):
        first, second = a_limiter(one), a_limiter(other)
        await all_of(second, 1)
        begun = time()
        first.pause(0.6)
        first.pause(0.1)  # the longer one stays
        await told_all(one)
        await all_of(second, 1)
        assert time() - begun >= 0.59


async def told_all(shared: Shared) -> None:
    """Wait until what was to be reported has been."""
    told = asyncio.Event()

    class Last:
        at_work = False

        async def report(self) -> None:
            told.set()

    shared.soon(Last())  # reports are made in the order of their asking
    await asyncio.wait_for(told.wait(), PATIENCE_S)


async def test_calls_of_a_replica_that_died_stop_counting(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "LEASE_S", 0.4)
    async with replicas(prefix, 1) as (living,):
        async with replicas(prefix, 1) as (dying,):
            begun = time()
            # The block is never left, as where the process is killed.
            await a_limiter(dying, max_in_flight=1).turn(1)
        await asyncio.wait_for(all_of(a_limiter(living, max_in_flight=1), 1), PATIENCE_S)
        assert time() - begun >= 0.4


async def test_calls_of_a_replica_at_work_go_on_counting(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ensemble.shared.link.BEAT_S", 0.05)
    async with replicas(prefix, 2) as (one, other), asyncio.timeout(PATIENCE_S):
        limiter = a_limiter(one, max_in_flight=1)
        with await limiter.turn(1):
            first = await lease(one)
            while await lease(one) < first + 0.3:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.01)
            ticket, _ = await gate.ProviderGate(other, "sim", **ONE).enter(1, 0)
            assert ticket is None
        await all_of(a_limiter(other, max_in_flight=1), 1)


ONE: Any = {"requests_per_minute": None, "tokens_per_minute": None, "max_in_flight": 1}


async def lease(shared: Shared) -> float:
    """Until when the calls of the only replica count, by the clock of Redis."""
    (told,) = await shared.ask(lambda redis: redis.hvals(f"{shared.key('provider', 'sim')}:flying"))
    return int(told.split()[1]) / 1e6


async def test_a_cancelled_waiter_leaves_nothing_behind(prefix: str) -> None:
    async with replicas(prefix, 2) as (one, other):
        first, second = a_limiter(one, max_in_flight=1), a_limiter(other, max_in_flight=1)
        with await first.turn(1):
            waiters = f"{other.key('provider', 'sim')}:waiting"
            waiting = asyncio.get_running_loop().create_task(all_of(second, 1))
            while not await other.ask(lambda redis: redis.hlen(waiters)):  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0.01)
            waiting.cancel()
            await asyncio.wait([waiting])
            await told_all(other)
            assert await other.ask(lambda redis: redis.hlen(waiters)) == 0, "the one that had gone still had its place"
        await asyncio.wait_for(all_of(first, 3), PATIENCE_S)
        await told_all(one)
        assert await one.ask(lambda redis: redis.hlen(f"{one.key('provider', 'sim')}:flying")) == 0


PROCESS = """
import asyncio, sys
from time import time
from tests.ensemble.shared.test_gate import a_limiter
from tests.redis_here import replicas

async def main(prefix, count):
    async with replicas(prefix, 1) as (shared,):
        limiter = a_limiter(shared, requests_per_minute=20)
        for _ in range(count):
            # A call in one go, so that its asking and its start bound the grant.
            asked = time()
            ticket, wait = await limiter._together.enter(1, 0)
            while ticket is None:
                await asyncio.sleep(wait)
                asked = time()
                ticket, wait = await limiter._together.enter(1, 0)
            print(asked, time(), flush=True)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_several_processes_never_exceed_the_limit_together(prefix: str) -> None:
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROCESS, prefix, "25", stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [(await process.communicate())[0].decode() for process in started]
    assert [process.returncode for process in started] == [0, 0]
    lines = [line.split() for each in said for line in each.splitlines()]
    grants = [(float(asked), float(granted), 1) for asked, granted in lines]
    assert len(grants) == 50
    assert most_in(grants, 1.0) <= 20
    moments = sorted(granted for _, granted, _ in grants)
    assert max(after - before for before, after in pairwise(moments)) < 5
