"""One leads, the others wait, and a leader that dies frees them."""

import asyncio

import pytest

from ensemble.shared import flights
from ensemble.shared.flights import Landed, Lead, join
from ensemble.shared.link import Shared
from tests.patience import PATIENCE_S
from tests.redis_here import NOWHERE, replicas, until


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one for each who has begun to wait."""
    began, landed = list[str](), flights._landed

    async def noting(shared: Shared, key: str) -> str | None:
        began.append(key)
        return await landed(shared, key)

    monkeypatch.setattr(flights, "_landed", noting)
    return began


async def test_one_leads_and_all_others_hear_what_came_of_it(prefix: str, waiting: list[str]) -> None:
    async with replicas(prefix, 3) as several:
        lead = await join(several[0], "f")
        assert isinstance(lead, Lead)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(join(several[number % 3], "f")) for number in range(9)]
            await until(lambda: len(waiting) == 9)
            await lead.land("answer")
        assert [task.result() for task in tasks] == [Landed("answer")] * 9
        later = await join(several[1], "f")
        assert isinstance(later, Lead), "what has landed is no answer for who comes later"
        await later.land(None)


async def test_who_waited_for_a_failure_hears_of_it_at_once(prefix: str, waiting: list[str]) -> None:
    async with replicas(prefix, 2) as (one, other):
        lead = await join(one, "f")
        assert isinstance(lead, Lead)
        task = asyncio.get_running_loop().create_task(join(other, "f"))
        await until(lambda: waiting)
        await lead.land(None)
        assert await asyncio.wait_for(task, PATIENCE_S) == Landed(None)


async def test_a_leader_that_died_is_followed_by_one_of_those_who_wait(prefix: str, waiting: list[str]) -> None:
    async with replicas(prefix, 2) as several:
        async with replicas(prefix, 1) as (dying,):
            dead = await join(dying, "f")
        assert isinstance(dead, Lead)
        leads = list[Lead]()

        async def one(number: int) -> Landed:
            joined = await join(several[number % 2], "f")
            if isinstance(joined, Lead):
                leads.append(joined)
                await until(lambda: len(waiting) == 6 + 5)
                await joined.land("second")
                return Landed("second")
            return joined

        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(number)) for number in range(6)]
            await until(lambda: len(waiting) == 6)
            left = await several[0].ask(lambda redis: redis.pttl(several[0].key("flight", "f")))
            assert 0 < left <= flights.LEASE_S * 1000
            # As the end of the lease would, only sooner.
            await several[0].ask(lambda redis: redis.delete(several[0].key("flight", "f")))
        assert len(leads) == 1
        assert [task.result() for task in tasks] == [Landed("second")] * 6


async def test_a_leader_at_work_is_not_taken_for_dead(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "LEASE_S", 0.4)
    monkeypatch.setattr("ensemble.shared.link.BEAT_S", 0.1)
    async with replicas(prefix, 2) as (one, other):
        lead = await join(one, "f")
        assert isinstance(lead, Lead)
        waiting = asyncio.get_running_loop().create_task(join(other, "f"))
        done, _ = await asyncio.wait([waiting], timeout=1.0)
        assert not done
        await lead.land("late")
        assert await waiting == Landed("late")


async def test_without_redis_each_works_by_itself(prefix: str) -> None:
    async with replicas(prefix, 1, url=NOWHERE) as (shared,):
        assert await join(shared, "f") == Landed(None)
