"""Equal questions under way share one answer, and nobody waits for one who has gone."""

import asyncio

import pytest

from ensemble.routers._memo import Memo


class Source:
    """Makes ``value`` once its gate is open, and counts."""

    def __init__(self, value: str = "known") -> None:
        self.value, self.asked = value, 0
        self.gate, self.begun = asyncio.Event(), asyncio.Event()

    async def make(self) -> str:
        self.asked += 1
        self.begun.set()
        await self.gate.wait()
        return self.value


async def share(source: Source, memo: Memo[str], n: int, leave: int | None = None) -> list[str]:
    """What ``n`` callers at once get, one of whom may leave before there is an answer."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(memo.get("k", source.make)) for _ in range(n)]
        await source.begun.wait()
        if leave is not None:
            tasks.pop(leave).cancel()
        source.gate.set()
    return [task.result() for task in tasks]


async def test_those_who_ask_meanwhile_share_one_answer() -> None:
    memo, source = Memo[str](4, bool), Source()
    assert await share(source, memo, 5) == ["known"] * 5
    assert await memo.get("k", source.make) == "known"
    assert source.asked == 1


@pytest.mark.parametrize(("leave", "asked"), [(0, 2), (1, 1)])
async def test_one_who_leaves_takes_nobody_along(leave: int, asked: int) -> None:
    """Where the one who asked leaves, one of those who waited asks again."""
    source = Source()
    assert await share(source, Memo[str](4, bool), 3, leave) == ["known"] * 2
    assert source.asked == asked


async def test_a_failure_is_the_own_one_and_is_not_remembered() -> None:
    memo = Memo[str](4, bool)

    async def broken() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        await memo.get("k", broken)
    source = Source()
    source.gate.set()
    assert await memo.get("k", source.make) == "known"


@pytest.mark.parametrize(("size", "value", "asked"), [(1, "x", 4), (2, "x", 2), (0, "x", 4), (2, "", 4)])
async def test_it_forgets_the_oldest_and_what_is_not_worth_keeping(size: int, value: str, asked: int) -> None:
    memo, source = Memo[str](size, bool), Source(value)
    source.gate.set()
    for key in ("a", "b", "a", "b"):
        await memo.get(key, source.make)
    assert source.asked == asked
