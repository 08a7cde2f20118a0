"""What one of several workers does for all, and its share of what they have together."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import cast

import pytest

from ensemble.connections import close, connect
from ensemble.errors import ConfigError
from ensemble.place import PLACE, Place
from ensemble.provider import PROVIDERS, Connection, Provider
from ensemble.store import Store
from ensemble.upkeep import upkeep
from tests.ensemble.doubles import Scripted
from tests.patience import PATIENCE_S


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[Place]]:
    places = [Place(number=number, of=2, folder=tmp_path) for number in (1, 2)]
    yield places
    for place in places:
        end(place)


def end(place: Place) -> None:
    """What the end of its process does."""
    while place._lead:
        os.close(place._lead.pop())


def test_a_process_alone_leads() -> None:
    place = Place()
    with place.alone("anything") as first, place.alone("anything") as second:
        assert place.leads()
        assert (first, second) == (True, True)


def test_one_leads_until_it_ends(two: list[Place]) -> None:
    first, second = two
    assert [first.leads(), second.leads(), first.leads(), second.leads()] == [True, False, True, False]
    end(first)
    assert [second.leads(), first.leads()] == [True, False]


def test_what_one_does_alone_others_leave(two: list[Place]) -> None:
    first, second = two
    with ExitStack() as stack:
        assert stack.enter_context(first.alone("watch a/../é"))
        assert not stack.enter_context(second.alone("watch a/../é"))
        assert stack.enter_context(second.alone("watch b"))
    with second.alone("watch a/../é") as alone:
        assert alone


def test_where_nobody_can_know_everybody_does_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    places = [Place(number=number, of=2, folder=tmp_path / "gone") for number in (1, 2)]
    assert all(place.leads() for place in places)
    with places[0].alone("a watch") as first, places[1].alone("a watch") as second:
        assert (first, second) == (True, True)
    assert "cannot be known" in caplog.text


@pytest.mark.parametrize(("limit", "of"), [(7, 3), (3, 3), (256, 5)])
def test_shares_are_the_limit_together(limit: int, of: int) -> None:
    places = [Place(number=number, of=of) for number in range(1, of + 1)]
    assert sum(place.seats(limit) for place in places) == limit
    assert max(place.seats(limit) for place in places) - min(place.seats(limit) for place in places) <= 1
    assert sum(place.share(limit) for place in places) == pytest.approx(limit)


@contextmanager
def at(place: Place) -> Iterator[None]:
    """As this process were ``place``."""
    token = PLACE.set(place)
    try:
        yield
    finally:
        PLACE.reset(token)


async def test_each_worker_keeps_to_its_share_of_a_providers_limits() -> None:
    provider = Quiet(requests_per_minute=2, max_in_flight=3)
    links = []
    for number in (1, 2):
        with at(Place(number=number, of=2)):
            links.append((await connect({"a": provider}))["a"])
    assert [link.limiter.allowed_in_flight for link in links] == [2, 1]
    for link in links:
        with await link.limiter.turn(1):
            pass
        with pytest.raises(TimeoutError):  # else both requests of a minute were granted to one of two
            await asyncio.wait_for(link.limiter.turn(1), 0.1)
    await close(links)


async def test_calls_that_are_fewer_than_the_workers_are_refused() -> None:
    with (
        at(Place(number=1, of=4)),
        pytest.raises(ConfigError, match=r"\[providers.a\] max_in_flight: 4 w"),
    ):
        await connect({"a": Quiet(max_in_flight=3)})


async def test_the_one_that_leads_looks_after_the_log(two: list[Place]) -> None:
    logs = [Untended(), Untended()]
    async with AsyncExitStack() as stack:
        for place, log in zip(two, logs, strict=True):
            with at(place):
                await stack.enter_async_context(upkeep(cast("Store", log)))
        async with asyncio.timeout(PATIENCE_S):
            await logs[0].tended.wait()
            await logs[1].settled.wait()
        assert not logs[1].tended.is_set()


class Untended:
    """A log that has nothing to tend to, and says who asked."""

    def __init__(self) -> None:
        self.tended, self.settled = asyncio.Event(), asyncio.Event()

    async def settle(self) -> None:
        self.settled.set()

    async def change(self, _change: object) -> int:
        self.tended.set()
        return 0

    async def read(self, _question: object) -> dict[str, str]:
        return {}


@PROVIDERS.register("quiet")
class Quiet(Provider):
    """Is never asked."""

    def connect(self) -> AbstractAsyncContextManager[Connection]:
        return nullcontext(Scripted([]))
