"""Money that several processes spend under one cap, in a real Redis."""

import asyncio
import random

import pytest

from ensemble.shared.link import SharedLost
from ensemble.shared.purse import MOST_NANO_USD, SharedPurse
from tests.redis_here import NOWHERE, replicas


async def test_many_at_once_never_go_beyond_the_cap_and_use_it_up(prefix: str) -> None:
    cap, price = 100_000, 700
    async with replicas(prefix, 3) as several:
        purses = [SharedPurse(shared, "run", cap) for shared in several]
        await purses[0].begin()
        rng, spent = random.Random(7), list[int]()

        async def one(number: int) -> None:
            purse = purses[number % 3]
            if await purse.reserve(f"call-{number}", price):
                assert await purse.spent() <= cap
                used = rng.randrange(price + 1)
                spent.append(used)
                await purse.settle(f"call-{number}", used)

        for start in range(0, 600, 100):
            async with asyncio.TaskGroup() as group:
                for number in range(start, start + 100):
                    group.create_task(one(number))
        number = 600
        while await purses[0].spent() <= cap - price:  # what was refused while others held more than they used
            await one(number := number + 1)
        assert sum(spent) == await purses[1].spent()
        assert cap - price < sum(spent) <= cap


async def test_a_call_is_counted_once_however_often_it_is_told(prefix: str) -> None:
    async with replicas(prefix, 1) as (shared,):
        purse = SharedPurse(shared, "run", 100)
        await purse.begin(10)
        assert [await purse.reserve("a", 60), await purse.reserve("a", 60)] == [True, True]
        assert await purse.spent() == 70
        for _ in range(2):
            await purse.settle("a", 5)
        assert await purse.spent() == 15
        await purse.settle("never reserved", 50)
        assert await purse.spent() == 15


async def test_to_the_last_nano_dollar_even_where_floating_point_ends(prefix: str) -> None:
    async with replicas(prefix, 1) as (shared,):
        purse = SharedPurse(shared, "run", MOST_NANO_USD)
        await purse.begin(MOST_NANO_USD - 3)
        assert not await purse.reserve("too much", 4)
        assert await purse.reserve("all of it", 3)
        assert await purse.spent() == MOST_NANO_USD
        assert not await purse.reserve("one more", 1)
        with pytest.raises(ValueError, match="cap"):
            SharedPurse(shared, "run", MOST_NANO_USD + 1)


async def test_a_purse_that_redis_has_lost_grants_nothing(prefix: str) -> None:
    async with replicas(prefix, 1) as (shared,):
        purse = SharedPurse(shared, "run", 100)
        with pytest.raises(SharedLost, match="start the run again"):
            await purse.reserve("a", 1)
        await purse.begin()
        assert await purse.reserve("a", 1)
        await purse.end()
        with pytest.raises(SharedLost, match="no purse"):
            await purse.reserve("b", 1)
        await purse.settle("a", 1)  # harmless: the ledger is the log's


async def test_while_redis_is_gone_nothing_is_granted(prefix: str) -> None:
    async with replicas(prefix, 1, url=NOWHERE, timeout_s=0.5) as (shared,):
        with pytest.raises(SharedLost) as told:
            await SharedPurse(shared, "run", 100).reserve("a", 1)
    assert "hush" not in str(told.value)
