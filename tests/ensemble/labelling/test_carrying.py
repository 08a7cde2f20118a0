"""How one batch is handed over and fetched when the connection breaks at the worst moments."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ensemble.batch import BatchLimits, BatchResult, BatchState, Found, unanswered
from ensemble.errors import CallFailed
from ensemble.labelling.asking import Question
from ensemble.labelling.carrying import Carrier, Pace
from ensemble.labelling.cashier import Cashier, Stopped
from ensemble.labelling.tally import Tally
from ensemble.labelling.waves import Waves
from ensemble.ledger import Aim
from ensemble.store import Store, open_store
from ensemble.store.batches import OpenBatch, open_batches
from judges.types import Prompt
from tests.ensemble.doubles import a_request, failed
from tests.ensemble.labelling.workshop import Workshop, a_workshop, prompts

FAST = Pace(quiet_s=0.01, poll_s=0.001, most_poll_s=0.002, tries=3)


@dataclass
class Desk:
    """A provider that takes batches; ``troubles`` are what comes of the next requests, None for nothing.

    ``keeps``: the first batch is taken even where the hand-over breaks.
    """

    troubles: list[CallFailed | None] = field(default_factory=list)
    keeps: bool = True
    taken: list[str] = field(default_factory=list)
    asked: int = 0
    batch_limits = BatchLimits(items=10, bytes=1000, one_model=False)

    def _trouble(self) -> None:
        self.asked += 1
        if self.troubles and (trouble := self.troubles.pop(0)):
            raise trouble

    def batch_item(self, custom_id: str, model: str, prompt: Prompt) -> bytes:
        return b"{}"

    async def submit_batch(self, name: str, items: Sequence[bytes]) -> str:
        kept, self.keeps = self.keeps, True
        if kept:
            self.taken.append(name)
        self._trouble()
        return f"theirs-{name}"

    async def find_batch(
        self, name: str, custom_ids: Collection[str], since: datetime, known: Collection[str]
    ) -> Found:
        self._trouble()
        return Found(f"theirs-{name}" if name in self.taken else None)

    async def batch_state(self, id_: str) -> BatchState:
        self._trouble()
        return BatchState(told="completed", rest=unanswered())

    async def batch_results(self, id_: str) -> AsyncGenerator[BatchResult, None]:
        self._trouble()
        for each in list[BatchResult]():
            yield each

    async def cancel_batch(self, id_: str) -> None:
        self._trouble()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path / "log.db")
    yield opened
    await opened.close()


async def carried(store: Store, desk: Desk, closed: bool = False) -> list[OpenBatch]:
    """What the log has of a batch after it was carried."""
    event = asyncio.Event()
    if closed:
        event.set()
    carrier = Carrier(store, Tally(), FAST, event, lambda *given: None)
    batch = OpenBatch(id="b1", run="r", provider="p", provider_id=None, made_at=datetime.now(UTC), items=())
    await carrier.send(batch, desk, [b"{}"])
    return await store.read(lambda db: open_batches(db, "r"))


CUT: Any = failed("cut_stream", retryable=True)


async def test_a_batch_that_was_taken_before_the_connection_broke_is_not_handed_over_again(store: Store) -> None:
    desk = Desk([CUT])
    (left,) = await carried(store, desk)
    assert desk.taken == ["b1"]
    assert left.provider_id == "theirs-b1"


async def test_one_that_was_not_taken_is_handed_over_again(store: Store) -> None:
    desk = Desk([CUT], keeps=False)
    (left,) = await carried(store, desk)
    assert desk.taken == ["b1"]
    assert left.provider_id == "theirs-b1"


async def test_what_breaks_while_it_is_asked_after_is_asked_again(store: Store) -> None:
    desk = Desk([None, CUT, CUT, None, CUT, None, None])
    (left,) = await carried(store, desk)
    assert (desk.taken, desk.asked, left.provider_id) == (["b1"], 7, "theirs-b1")


async def test_one_that_is_refused_leaves_nothing_behind(store: Store) -> None:
    desk = Desk([failed("rejected", http_status=400)], keeps=False)
    assert await carried(store, desk) == []
    assert desk.asked == 1


async def test_tries_have_an_end(store: Store) -> None:
    busy = failed("rate_limited", retryable=True, sent=False)
    desk = Desk([busy, busy, busy, None], keeps=False)
    assert await carried(store, desk) == []
    assert desk.asked == FAST.tries


async def test_a_lost_permission_stops_the_run_and_keeps_the_batch(store: Store) -> None:
    desk = Desk([None, failed("unauthorized", http_status=401)])
    with pytest.raises(Stopped, match="provider 'p' tells nothing of its batches"):
        await carried(store, desk)
    (left,) = await store.read(lambda db: open_batches(db, "r"))
    assert left.provider_id == "theirs-b1"


def test_a_batch_is_asked_after_for_as_long_as_it_takes() -> None:
    assert [Pace().wait_s(attempt) for attempt in (1, 2, 3, 100, 10_000)] == [5.0, 7.5, 11.25, 300.0, 300.0]


async def test_a_closed_run_waits_for_nothing(store: Store) -> None:
    desk = Desk([None, CUT])
    (left,) = await carried(store, desk, closed=True)
    assert (left.provider_id, desk.asked) == ("theirs-b1", 2)


@dataclass
class Watched(Desk):
    """Notes at each hand-over how much money is set aside."""

    transport: str = "sdk"
    aside: list[int] = field(default_factory=list)
    shop: Workshop | None = None

    async def submit_batch(self, name: str, items: Sequence[bytes]) -> str:
        assert self.shop is not None
        self.aside.append(self.shop.select("SELECT coalesce(sum(nano_usd), 0) FROM reservations")[0][0])
        return await super().submit_batch(name, items)


async def test_what_goes_into_the_next_wave_after_a_hand_over_that_failed_stays_under_the_cap(tmp_path: Path) -> None:
    price = {"input": 1, "output": 2, "batch_input": 1, "batch_output": 2}
    async with a_workshop(tmp_path, price=price, max_attempts=2) as shop:
        desk = Watched([failed("rate_limited", retryable=True, sent=False)] * FAST.tries, keeps=False, shop=shop)
        store, member = shop.pipeline.store, shop.pipeline.fleet["small"]
        member.connection = desk  # type: ignore[assignment]  # nothing is asked of it but in batches
        await shop.label(prompts(1), members=("large",))
        ((id_,),) = shop.select("SELECT id FROM requests")
        request = replace(a_request(), id=id_)
        aim = Aim(purpose="judge", seat="s", key="k", run="test")
        waves = Waves(store, shop.pipeline.fleet, "test", Tally(), FAST)
        cashier = Cashier(store, waves, "test", Tally(), 10**9)
        async with waves.running():
            call = await cashier.ask(Question(request=request, member=member, prompt=request.prompt, aim=aim))
        assert (call.failure, call.attempt) == ("bad_reply", 2)
        assert len(desk.aside) == FAST.tries + 1
        assert len(set(desk.aside)) == 1
        assert desk.aside[0] > 0
        ((left,),) = shop.select("SELECT nano_usd FROM reservations")
        assert left == desk.aside[0] / 2, "nobody knows whether the second attempt was billed"
