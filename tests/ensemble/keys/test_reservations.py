"""Limits of keys in a real log: nothing goes beyond them, and all that was not used comes back."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from ensemble.allowance import Amount, Limit
from ensemble.errors import StoreUnavailable
from ensemble.keys.issuing import a_key, create, rotate
from ensemble.keys.reservations import KeyAllowance, LogReservations
from ensemble.ledger import Aim
from ensemble.router import MemberName
from ensemble.routers.single import Single
from ensemble.store import Store, budgets, open_store
from ensemble.store.api_keys import Key
from ensemble.store.budgets import Spending, Spent, Standing
from tests.ensemble.doubles import a_fleet, a_member, a_request, failed, ledger
from tests.ensemble.engine import a_pipeline
from tests.ensemble.store.builders import a_late, a_record
from tests.virtual import run_virtual

NOW = datetime.now(UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path / "ensemble.db")
    yield opened
    await opened.close()


def limited(*limits: str) -> Key:
    return a_key("app", limits=tuple(map(Limit.parse, limits)))


def allowance(reservations: LogReservations, key: Key, request: str = "r1") -> KeyAllowance:
    spending = Spending(request=request, key=key.id, begun=NOW, expires=NOW + timedelta(hours=2))
    return KeyAllowance(spending, key.limits, reservations)


async def used(store: Store, key: Key) -> list[int]:
    found = await store.read(lambda db: budgets.standings(db, key.id, key.limits, NOW))
    return [one.used for one in found]


async def test_of_many_at_once_only_those_are_allowed_whom_it_leaves_room_for(store: Store) -> None:
    key = limited("usd=0.000001/day", "tokens=1000000/day")
    reservations = LogReservations(store)
    each = [allowance(reservations, key, f"r{number}") for number in range(50)]
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(one.take(Amount(tokens=10, nano_usd=300))) for one in each]
    assert sum(task.result() for task in asked) == 3
    assert await used(store, key) == [900, 30]
    refused = next(one for one, task in zip(each, asked, strict=True) if not task.result())
    assert refused.refused is not None
    assert (refused.refused.status, refused.refused.code) == (429, "insufficient_quota")
    assert refused.refused.retry_after_s == pytest.approx(86_400, abs=86_400)


async def test_a_key_in_the_place_of_another_goes_on_with_its_budget(store: Store) -> None:
    """Both are valid for a while, and together they have what the one had."""
    first = limited("usd=0.000001/total", "requests=4/total")
    await store.change(lambda db: create(db, first))
    reservations = LogReservations(store)
    line = [first]
    for request in ("r1", "r2"):
        assert (await reservations.begin(line[-1], NOW))[0] is None
        assert await allowance(reservations, line[-1], request).take(Amount(nano_usd=300))
        line.append((await store.change(lambda db: rotate(db, "app", timedelta(hours=1))))[0])
    assert [await used(store, key) for key in line] == [[600, 2]] * 3
    assert not await allowance(reservations, line[2], "r3").take(Amount(nano_usd=500))
    assert await allowance(reservations, line[0], "r4").take(Amount(nano_usd=300))
    assert not await allowance(reservations, line[2], "r5").take(Amount(nano_usd=101))
    full = [(await reservations.begin(key, NOW))[0] for key in line]
    assert [one is None for one in full] == [True, True, False]


async def test_a_call_that_no_window_leaves_is_told_so_and_not_to_wait(store: Store) -> None:
    request = allowance(LogReservations(store), limited("usd=0.01/day"))
    assert not await request.take(Amount(tokens=10, nano_usd=20_065_000))
    assert request.refused is not None
    assert str(request.refused) == (
        "the key's limit usd=0.01/day does not leave the 0.020065 that a call may take: 0.00 used or set aside; "
        "ask for a larger budget"
    )
    assert request.refused.retry_after_s is None


async def test_what_only_requests_under_way_stand_in_the_way_of_is_to_be_asked_again_soon(store: Store) -> None:
    reservations, key = LogReservations(store), limited("usd=0.01/day")
    first, second = allowance(reservations, key, "r1"), allowance(reservations, key, "r2")
    most = Amount(nano_usd=6_000_000)
    assert await first.take(most)
    assert not await second.take(most)
    assert second.refused is not None
    assert str(second.refused).endswith("0.006 used or set aside for requests under way; ask again soon")
    assert (second.refused.code, second.refused.retry_after_s) == ("insufficient_quota", 1.0)
    first.settle(most, Amount(nano_usd=5_000_000))
    first.end()
    await reservations.write_off()
    assert not await second.take(most)
    assert (second.refused.retry_after_s or 0.0) > 1.0, "what is spent does not come back today"


async def test_what_was_not_used_serves_the_next_call_and_then_goes_back(store: Store) -> None:
    key = limited("usd=0.000001/day")
    reservations = LogReservations(store)
    request = allowance(reservations, key)
    assert await request.take(Amount(nano_usd=900))
    request.settle(Amount(nano_usd=900), Amount(nano_usd=50))
    assert await request.take(Amount(nano_usd=940))
    assert await used(store, key) == [990]
    request.end()
    await reservations.write_off()
    assert await used(store, key) == [990], "a call is still under way"
    request.settle(Amount(nano_usd=940), Amount(nano_usd=60))
    await reservations.write_off()
    assert await used(store, key) == [110]
    assert await request.take(Amount(nano_usd=890)), "a shadow call after the end"
    request.settle(Amount(nano_usd=890), Amount(nano_usd=0))
    await reservations.write_off()
    assert await used(store, key) == [110]


async def test_what_begins_before_the_last_is_written_off_counts_too(store: Store) -> None:
    key, reservations = limited("usd=0.000001/day"), LogReservations(store)
    request = allowance(reservations, key)
    assert await request.take(Amount(nano_usd=900))
    request.settle(Amount(nano_usd=900), Amount(nano_usd=50))
    request.end()
    assert await request.take(Amount(nano_usd=890)), "a shadow call, before the background has come round"
    await reservations.write_off()
    assert await used(store, key) == [940]
    request.settle(Amount(nano_usd=890), Amount(nano_usd=70))
    await reservations.write_off()
    assert await used(store, key) == [120]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 400), st.floats(0, 1)), min_size=1, max_size=12))
def test_what_is_counted_in_the_end_is_what_was_used(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[int, float]]
) -> None:
    async def story() -> None:
        opened = await open_store(tmp_path_factory.mktemp("log") / "ensemble.db")
        key = limited("usd=0.000001/day")
        reservations = LogReservations(opened)
        request, spent = allowance(reservations, key), 0
        for most, share in calls:
            if await request.take(Amount(nano_usd=most)):
                part = int(most * share)
                request.settle(Amount(nano_usd=most), Amount(nano_usd=part))
                spent += part
            assert (await used(opened, key))[0] <= 1000
        request.end()
        await reservations.write_off()
        assert await used(opened, key) == [spent]
        await opened.close()

    asyncio.run(story())


async def test_requests_are_counted_as_they_begin(store: Store) -> None:
    key, reservations = limited("requests=2/minute"), LogReservations(store)
    left = []
    for _ in range(3):
        full, standings = await reservations.begin(key, NOW)
        left.append((full is None, standings[0].left))
    assert left == [(True, 1), (True, 0), (False, 0)]
    full, _ = await reservations.begin(key, NOW + timedelta(minutes=1))
    assert full is None


async def test_who_floods_its_limit_costs_the_log_nothing_until_the_next_window(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, asked = limited("requests=2/minute", "usd=1/day"), list[object]()
    change, reservations = store.change, LogReservations(store)

    async def counting(step: Any) -> Any:
        asked.append(step)
        return await change(step)

    monkeypatch.setattr(store, "change", counting)
    told = [await reservations.begin(key, NOW) for _ in range(20)]
    assert [full is None for full, _ in told] == [True, True] + [False] * 18
    assert len(asked) == 3
    assert told[-1] == told[2]
    assert (await reservations.begin(key, NOW + timedelta(minutes=1)))[0] is None
    assert (await reservations.begin(limited("requests=2/minute"), NOW))[0] is None, "another key has its own"


async def test_nothing_begins_once_the_money_is_gone(store: Store) -> None:
    key, reservations = limited("usd=0.000001/total"), LogReservations(store)
    request = allowance(reservations, key)
    assert await request.take(Amount(nano_usd=1000))
    full, _ = await reservations.begin(key, NOW)
    assert full is not None
    assert str(full.limit) == "usd=0.000001/total"


async def test_what_a_dead_process_left_is_settled_by_the_ledger_or_counts_in_full(store: Store) -> None:
    key, reservations = limited("usd=1/day"), LogReservations(store)
    record = a_record()
    known = sum(call.usage.nano_usd or 0 for call in record.calls)
    assert all(call.usage.nano_usd is not None for call in record.calls)
    for request in (record.request.id, "never recorded"):
        assert await allowance(reservations, key, request).take(Amount(nano_usd=10_000_000))
    await store.record(record)
    await store.change(lambda db: budgets.sweep(db, NOW))
    assert await used(store, key) == [20_000_000], "they may still be at work"
    await store.change(lambda db: budgets.sweep(db, NOW + timedelta(hours=3)))
    assert await used(store, key) == [10_000_000 + known]


@pytest.mark.parametrize("told", [True, False])
async def test_a_crash_while_a_call_comes_late_counts_it_in_full_unless_it_was_told(store: Store, told: bool) -> None:
    """The answer's record knows the cost of all its calls, and nothing of the one that goes on."""
    key, reservations, record = limited("usd=1/day"), LogReservations(store), a_record()
    known = sum(call.usage.nano_usd or 0 for call in record.calls)
    request = allowance(reservations, key, record.request.id)
    for _ in range(2):
        assert await request.take(Amount(nano_usd=10_000_000))
    request.settle(Amount(nano_usd=10_000_000), Amount(nano_usd=known))
    await store.record(record)
    request.end()
    await reservations.write_off()
    assert await used(store, key) == [known + 10_000_000], "what the answer did not use has gone back already"
    late = a_late(record)
    late = replace(late, calls=tuple(replace(call, after_answer=True) for call in late.calls))
    if told:
        await store.record_late(late)
    await store.change(lambda db: budgets.sweep(db, NOW + timedelta(hours=3)))
    more = sum(call.usage.nano_usd or 0 for call in late.calls) if told else 10_000_000
    assert await used(store, key) == [known + more]


async def test_what_is_set_aside_while_the_request_ends_is_settled_with_it(store: Store) -> None:
    key, reservations = limited("usd=0.000001/day"), LogReservations(store)
    request = allowance(reservations, key)
    async with asyncio.TaskGroup() as group:
        taking = group.create_task(request.take(Amount(nano_usd=900)))
        await asyncio.sleep(0)
        request.end()
    assert taking.result()
    request.settle(Amount(nano_usd=900), Amount(nano_usd=60))
    await reservations.write_off()
    assert await used(store, key) == [60]


async def test_windows_long_over_are_forgotten(store: Store, tmp_path: Path) -> None:
    key, reservations = limited("requests=9/minute"), LogReservations(store)
    await store.change(lambda db: create(db, key))
    await reservations.begin(key, NOW - timedelta(days=200))
    await reservations.begin(key, NOW)
    await store.change(lambda db: budgets.sweep(db, NOW))
    with Database(tmp_path / "ensemble.db") as db:
        plan = [row["detail"] for row in db.query(f"EXPLAIN QUERY PLAN {budgets.FORGET}", ["minute", ""])]
        assert not any(step.startswith("SCAN key_usage") for step in plan)
        pers = [row["per"] for row in db.query("SELECT per FROM key_usage ORDER BY per")]
    assert pers.count("minute") == 1
    assert pers.count("day") == 1
    assert pers.count("total") == 1


@pytest.mark.parametrize(("failure", "counts"), [("cut_stream", True), ("timeout", True), ("rejected", False)])
async def test_tokens_of_a_free_model_count_where_a_call_of_it_broke(store: Store, failure: str, counts: bool) -> None:
    """It costs nothing whatever becomes of it, so its cost does not tell whether it wrote anything."""
    key = limited("tokens=100000/day")
    reservations = LogReservations(store)
    free = {"input": 0, "output": 0}
    member, _ = a_member("free", failed(failure), price=free, max_output_tokens=1000, max_attempts=1)
    request = a_request(allowance=allowance(reservations, key))
    call = await member.call(request, request.prompt, Aim(purpose="candidate"), seen=ledger().append)
    assert (call.failure, call.usage.nano_usd) == (failure, 0)
    assert request.allowance is not None
    request.allowance.end()
    await reservations.write_off()
    (tokens,) = await used(store, key)
    assert tokens > 1000 if counts else tokens == 0


async def test_a_limit_of_tokens_as_high_as_a_client_may_state_it_is_no_obstacle_where_money_alone_counts(
    store: Store,
) -> None:
    key = limited("usd=1/day")
    reservations = LogReservations(store)
    member, _ = a_member("free", price={"input": 0, "output": 0})
    asked = [a_request(allowance=allowance(reservations, key, name)) for name in ("r1", "r2")]
    prompts = [replace(one.prompt, max_output_tokens=2**63 - 1) for one in asked]
    first = asked[0].allowance
    assert first is not None
    assert await first.take(Amount(tokens=10**15)), "as a call that is under way"
    aim = Aim(purpose="candidate")
    calls = [await member.call(one, p, aim, seen=ledger().append) for one, p in zip(asked, prompts, strict=True)]
    assert [call.failure for call in calls] == [None, None]


def test_a_log_that_cannot_set_aside_is_told_to_the_client_and_blamed_on_no_provider(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Down(LogReservations):
        def __init__(self) -> None:
            """Without a log."""

        async def set_aside(self, spending: Spending, limits: Sequence[Limit], amount: Amount) -> Standing | None:
            raise StoreUnavailable("the budget of the key cannot be kept: another process holds the write lock")

        def settle(self, spent: Spent) -> None:
            """Nothing is set aside."""

    async def main() -> None:
        fleet, wires = a_fleet(a=a_member("a", max_output_tokens=50))
        pipeline, kept = a_pipeline(fleet, Single(member=MemberName("a")))
        request = a_request(allowance=allowance(Down(), limited("usd=1/day")))
        with pytest.raises(StoreUnavailable, match="another process holds the write lock"):
            await pipeline.answer(request)
        assert not wires["a"].prompts
        assert [(call.failure, call.usage.nano_usd) for call in kept.records[0].calls] == [("over_budget", 0)]

    run_virtual(main())
    assert not caplog.records
