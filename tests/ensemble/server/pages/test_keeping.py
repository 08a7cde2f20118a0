"""Figures that take seconds are found once, kept while the log stays as it was, and nobody waits longer than asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from ensemble.audit.shapes import Window
from ensemble.config import Settings
from ensemble.errors import InvalidRequest
from ensemble.server.pages.keeping import Keeper
from ensemble.store import Store, open_store
from tests.ensemble.store.builders import a_record
from tests.served import serving

JUNE = Window(since="2026-06-01")


@dataclass
class Finder:
    """Counts how often it is asked; holds its answer back until it may give it."""

    asked: list[Window] = field(default_factory=list)
    may: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, window: Window, settings: Settings | None) -> int:
        self.asked.append(window)
        await self.may.wait()
        if window.router == "wrong":
            raise InvalidRequest("router: is wrong", param="router")
        return len(self.asked)


@asynccontextmanager
async def keeping(store: Store, finder: Finder) -> AsyncIterator[Keeper[int]]:
    keeper = Keeper(store, finder, rest=0)
    try:
        yield keeper
    finally:
        await keeper.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path / "log.db")
    yield opened
    await opened.close()


async def test_figures_are_kept_until_something_is_judged(store: Store) -> None:
    finder = Finder()
    finder.may.set()
    async with keeping(store, finder) as keeper:
        assert [(await keeper.of(Window(), None, 60)).found for _ in range(2)] == [1, 1]
        assert (await keeper.of(JUNE, None, 60)).found == 2
        assert (await keeper.of(Window(), None, 60)).found == 1
        await store.record(a_record())
        assert (await keeper.of(Window(), None, 60)).found == 3
    assert finder.asked == [Window(), JUNE, Window()]


async def test_who_does_not_wait_is_told_and_the_work_goes_on(store: Store) -> None:
    finder = Finder()
    async with keeping(store, finder) as keeper:
        hurried = await keeper.of(Window(), None, 0)
        assert (hurried.found, hurried.at, hurried.under_way) == (None, None, True)
        left = asyncio.get_running_loop().create_task(keeper.of(Window(), None, 60))
        await asyncio.sleep(0)
        left.cancel()
        finder.may.set()
        patient = await keeper.of(Window(), None, 60)
        assert (patient.found, patient.under_way) == (1, False)
        assert patient.at is not None


async def test_what_is_known_is_shown_while_newer_figures_are_found(store: Store) -> None:
    finder = Finder()
    finder.may.set()
    async with keeping(store, finder) as keeper:
        first = await keeper.of(Window(), None, 60)
        await store.record(a_record())
        finder.may.clear()
        shown = await keeper.of(Window(), None, 0)
        assert (shown.found, shown.at, shown.under_way) == (1, first.at, True)


async def test_what_goes_wrong_is_told_and_tried_again(store: Store) -> None:
    finder = Finder()
    finder.may.set()
    async with keeping(store, finder) as keeper:
        for _ in range(2):
            with pytest.raises(InvalidRequest, match="router: is wrong"):
                await keeper.of(Window(router="wrong"), None, 60)
        assert len(finder.asked) == 2


async def test_what_goes_wrong_behind_nobody_is_told_to_who_asks_next(store: Store) -> None:
    finder, wrong = Finder(), Window(router="wrong")
    async with keeping(store, finder) as keeper:
        assert (await keeper.of(wrong, None, 0)).under_way
        finder.may.set()
        await asyncio.wait({task for task in asyncio.all_tasks() if task is not asyncio.current_task()})
        with pytest.raises(InvalidRequest, match="router: is wrong"):
            await keeper.of(wrong, None, 0)
        assert (await keeper.of(wrong, None, 0)).under_way  # tried again


async def test_closing_ends_what_is_under_way(store: Store) -> None:
    async with keeping(store, Finder()) as keeper:
        await keeper.of(Window(), None, 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_is_under_way_ends_with_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are made late, for the first who asks for one."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(*_: object, **__: object) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr("ensemble.server.pages.keeping.WAIT_S", 0)
    monkeypatch.setattr("ensemble.server.pages.routers.to_process", SimpleNamespace(run_sync=endless))
    async with serving(tmp_path) as served:
        async with served.http.get(f"{served.root}/ui/routers") as reply:
            assert reply.status == 200
        await begun.wait()
        assert not ended.is_set()
    assert ended.is_set()
