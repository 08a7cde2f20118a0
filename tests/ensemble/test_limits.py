"""The queue in front of a provider: order, limits, pauses, and what a cancelled waiter leaves behind."""

import asyncio
import math
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.limits import windows
from tests.ensemble.limiting import Calls, a_limiter, in_fake_time, settled


@contextmanager
def cpu_seconds() -> Iterator[Callable[[], float]]:
    def used() -> float:
        spent = resource.getrusage(resource.RUSAGE_SELF)
        return spent.ru_utime + spent.ru_stime

    begin = used()
    yield lambda: used() - begin


async def test_calls_start_in_the_order_of_their_coming() -> None:
    limiter = a_limiter(in_flight=1)
    async with asyncio.TaskGroup() as group:
        calls = Calls(limiter, group)
        for number in range(50):
            calls.begin(number)
        for number in range(50):
            await settled()
            assert calls.order == list(range(number + 1))
            calls.end(number)
    assert (limiter.waiting, limiter.in_flight) == (0, 0)


async def test_no_more_calls_in_flight_than_allowed() -> None:
    limiter = a_limiter(in_flight=3)
    async with asyncio.TaskGroup() as group:
        calls = Calls(limiter, group)
        for number in range(5):
            calls.begin(number)
        await settled()
        assert (limiter.in_flight, limiter.waiting) == (3, 2)
        calls.end(1)
        await settled()
        assert calls.order == [0, 1, 2, 3]
        calls.end()


async def test_a_cancelled_waiter_leaves_nothing_behind() -> None:
    """Neither the head of the queue nor one in its middle holds up the others or keeps a place."""
    limiter = a_limiter(in_flight=1)
    async with asyncio.TaskGroup() as group:
        calls = Calls(limiter, group)
        for number in range(5):
            calls.begin(number)
        await settled()
        calls.tasks[1].cancel()
        calls.tasks[3].cancel()
        await settled()
        assert limiter.waiting == 2
        calls.end()
        await settled()
        assert calls.order == [0, 2, 4]
    assert (limiter.waiting, limiter.in_flight) == (0, 0)


async def test_a_call_that_fails_gives_its_place_back() -> None:
    limiter = a_limiter(in_flight=1)
    with pytest.raises(ZeroDivisionError), await limiter.turn(1):
        raise ZeroDivisionError
    with await limiter.turn(1):
        assert limiter.in_flight == 1


def test_a_pause_holds_everybody_and_keeps_the_order() -> None:
    async def story() -> None:
        limiter = a_limiter(in_flight=10)
        async with asyncio.TaskGroup() as group:
            calls = Calls(limiter, group)
            limiter.pause(30)
            limiter.pause(5)
            for number in range(4):
                calls.begin(number)
            await settled()
            assert calls.order == []
            await asyncio.sleep(29.9)
            assert calls.order == []
            await asyncio.sleep(0.2)
            assert calls.order == [0, 1, 2, 3]
            calls.end()

    in_fake_time(story)


def test_tokens_of_the_last_minute_stay_below_the_limit() -> None:
    async def story() -> None:
        limiter = a_limiter(tokens=1000)
        clock = asyncio.get_running_loop().time
        granted: list[tuple[float, int]] = []
        for number in range(200):
            tokens = 50 + number * 37 % 300
            with await limiter.turn(tokens):
                granted.append((clock(), tokens))
        for moment, _ in granted:
            assert sum(tokens for at, tokens in granted if moment <= at < moment + 60) <= 1000
        total = sum(tokens for _, tokens in granted)
        assert total / (granted[-1][0] / 60 + 1) > 600, "the limit is used, not only kept"

    in_fake_time(story)


def test_a_settled_count_replaces_the_estimate() -> None:
    async def story() -> None:
        limiter = a_limiter(tokens=1000)
        clock = asyncio.get_running_loop().time
        with await limiter.turn(1000) as slot:
            slot.settle(100)
        with await limiter.turn(900):
            assert clock() == 0
        with await limiter.turn(1) as slot:
            assert 60 <= clock() < 62
            slot.settle(1500)
        with await limiter.turn(1):
            assert clock() > 120

    in_fake_time(story)


def test_settling_frees_a_waiter_at_once() -> None:
    async def story() -> None:
        limiter = a_limiter(tokens=1000)
        async with asyncio.TaskGroup() as group:
            calls = Calls(limiter, group)
            calls.begin(0, tokens=900)
            calls.begin(1, tokens=500)
            await settled()
            assert calls.order == [0]
            calls.slots[0].settle(10)
            await settled()
            assert calls.order == [0, 1]
            calls.end()

    in_fake_time(story)


def test_a_call_larger_than_the_limit_waits_for_an_empty_minute() -> None:
    async def story() -> None:
        limiter = a_limiter(tokens=1000)
        clock = asyncio.get_running_loop().time
        with await limiter.turn(10):
            pass
        with await limiter.turn(5000):
            assert 60 <= clock() < 62
        with await limiter.turn(1):
            assert 120 <= clock() < 124

    in_fake_time(story)


def test_settling_after_the_minute_changes_nothing() -> None:
    async def story() -> None:
        limiter = a_limiter(tokens=1000)
        with await limiter.turn(1000) as old:
            await asyncio.sleep(100)
        with await limiter.turn(1000) as new:
            old.settle(0)
            new.settle(0)
            old.settle(5000)
        with await limiter.turn(1000):
            assert asyncio.get_running_loop().time() == 100

    in_fake_time(story)


def test_what_was_used_and_is_under_way_counts_by_other_limits_too() -> None:
    async def story() -> None:
        limiter = a_limiter(tokens=1000, in_flight=3)
        async with asyncio.TaskGroup() as group:
            calls = Calls(limiter, group)
            for number, tokens in enumerate((900, 50)):
                calls.begin(number, tokens)
            await settled()
            limiter.become(a_limiter(tokens=1200, in_flight=2))
            calls.begin(2, tokens=300)
            await settled()
            assert calls.order == [0, 1], "two are in flight"
            calls.end(0)
            await settled()
            assert calls.order == [0, 1], "950 tokens were used"
            calls.slots[0].settle(10)
            await settled()
            assert calls.order == [0, 1, 2]
            limiter.become(a_limiter())
            assert (limiter.in_flight, limiter.allowed_in_flight) == (2, math.inf)
            calls.end()
        assert limiter.in_flight == 0

    in_fake_time(story)


async def test_requests_that_have_started_count_by_another_rate_too() -> None:
    limiter = a_limiter(requests=20)
    async with asyncio.TaskGroup() as group:
        calls = Calls(limiter, group)
        for number in range(12):
            calls.begin(number)
            if number == 9:
                await settled()
                assert limiter.in_flight == 10
                limiter.become(a_limiter(requests=22))
        await settled()
        assert calls.order == list(range(11)), "eleven of a half minute, with the ten of before"
        calls.tasks[11].cancel()
        calls.end()


async def test_requests_of_any_minute_stay_below_the_limit() -> None:
    """A storm; the minute is a third of a second here, and asyncio-throttle keeps real time."""
    limiter = a_limiter(requests=300, period_s=0.3)
    clock = asyncio.get_running_loop().time
    started: list[float] = []
    async with asyncio.TaskGroup() as group:

        async def call() -> None:
            with await limiter.turn(1):
                started.append(clock())

        for _ in range(600):
            group.create_task(call())
    assert started == sorted(started)
    for first, last in zip(started, started[300:], strict=False):
        assert last - first > 0.3
    assert started[-1] - started[0] < 0.9, "the limit is used, not only kept"


async def test_a_fan_out_starts_at_once() -> None:
    limiter = a_limiter(requests=20)
    clock = asyncio.get_running_loop().time
    begin = clock()
    for _ in range(10):
        with await limiter.turn(1):
            pass
    assert clock() - begin < 0.05


async def test_ten_thousand_waiters_cost_next_to_nothing() -> None:
    """The bound of the issue is 2 % of a core; what is left above it is the noise of a busy machine."""
    limiter = a_limiter(requests=10)
    for _ in range(10):
        with await limiter.turn(1):
            pass
    async with asyncio.TaskGroup() as group:
        calls = Calls(limiter, group)
        for number in range(10_000):
            calls.begin(number)
        await settled()
        with cpu_seconds() as used:
            for _ in range(10):
                await asyncio.sleep(0.05)
            assert used() < 0.5 * 0.04
        assert limiter.waiting == 10_000
        for task in calls.tasks:
            task.cancel()
    assert (limiter.waiting, limiter.in_flight) == (0, 0)


async def test_overload_halves_the_calls_in_flight_once() -> None:
    limiter = a_limiter(in_flight=16)
    async with asyncio.TaskGroup() as group:
        calls = Calls(limiter, group)
        for number in range(16):
            calls.begin(number)
        await settled()
        for number in range(16):
            calls.slots[number].overloaded()
        assert limiter.allowed_in_flight == 8
        calls.end()
        await settled()
        for number in range(16, 32):
            calls.begin(number)
        await settled()
        assert limiter.in_flight == 8
        calls.slots[16].overloaded()
        assert limiter.allowed_in_flight == 4
        calls.end()


async def test_success_brings_the_calls_in_flight_back() -> None:
    limiter = a_limiter(in_flight=4)
    async with asyncio.TaskGroup() as group:
        calls = Calls(limiter, group)
        for number in range(4):
            calls.begin(number)
        await settled()
        calls.slots[0].overloaded()
        calls.end()
    assert limiter.allowed_in_flight == 2
    with await limiter.turn(1) as alone:
        alone.succeeded()
    assert limiter.allowed_in_flight == 2, "a house that is not full proves nothing"
    for _ in range(20):
        async with asyncio.TaskGroup() as group:
            calls = Calls(limiter, group)
            for number in range(4):
                calls.begin(number)
            await settled()
            for slot in calls.slots.values():
                slot.succeeded()
            calls.end()
    assert limiter.allowed_in_flight == 4


async def test_overload_without_a_configured_limit_starts_from_what_is_under_way() -> None:
    limiter = a_limiter()
    assert limiter.allowed_in_flight == math.inf
    async with asyncio.TaskGroup() as group:
        calls = Calls(limiter, group)
        for number in range(6):
            calls.begin(number)
        await settled()
        calls.slots[5].overloaded()
        assert limiter.allowed_in_flight == 3
        calls.end()


@given(limit=st.floats(0.01, 1_000_000), period=st.floats(0.1, 86_400))
def test_windows_never_add_up_to_more_than_the_limit(limit: float, period: float) -> None:
    count, window = windows(limit, period)
    most = count * math.ceil(period / window)
    assert most <= max(1, limit)
    assert window <= period * 1.1 or limit < 1


@given(limit=st.integers(1, 1_000_000))
def test_windows_use_nearly_the_whole_limit(limit: int) -> None:
    count, window = windows(limit, 60.0)
    assert count / window * 60 >= 0.96 * limit


async def test_a_pause_holds_the_one_who_already_waits_for_the_request_rate() -> None:
    limiter = a_limiter(requests=10, period_s=0.05)
    clock = asyncio.get_running_loop().time
    for _ in range(10):
        with await limiter.turn(1):
            pass
    async with asyncio.TaskGroup() as group:
        calls = Calls(limiter, group)
        calls.begin(0)
        await settled()
        begin = clock()
        limiter.pause(0.15)
        calls.end()
    assert calls.started[0][1] - begin >= 0.15
