"""A request that a leader answers is in the log before its first byte, and its end takes the place of that row."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ensemble.store import Store, open_store
from ensemble.store.address import address_of
from ensemble.store.keeping.checks import checks
from ensemble.store.keeping.connect import reading
from ensemble.types import Record
from tests.ensemble.store.builders import a_record
from tests.ensemble.store.engines import locked


def begun_and_ended() -> tuple[Record, Record]:
    ended = a_record()
    begun = replace(ended, status="streaming", calls=(), rulings=(), chosen=None)
    return begun, replace(ended, begun=True)


async def daily(store: Store) -> list[tuple[Any, ...]]:
    return await store.read(lambda db: db.execute("SELECT requests, answered FROM daily_requests").fetchall())


async def stored(store: Store, record: Record) -> Mapping[str, Any]:
    tree = await store.request(record.request.id)
    assert tree is not None
    return tree


@pytest.mark.parametrize("keep", [True, False])
async def test_the_end_takes_the_place_of_the_beginning_and_counts_once(store: Store, path: Path, keep: bool) -> None:
    begun, ended = (replace(record, keep=keep) for record in begun_and_ended())
    await store.record(begun)
    tree = await stored(store, begun)
    assert (tree["status"], tree["member"], tree["calls"]) == ("streaming", None, [])
    assert tree["plan"] is not None
    assert await daily(store) == [(0, 0)]
    await store.record(ended)
    tree = await stored(store, ended)
    assert (tree["status"], tree["member"], len(tree["calls"]), len(tree["verdicts"])) == ("answered", "small", 5, 1)
    assert await daily(store) == [(1, 1)]
    with reading(path) as db:
        assert checks(db, path) == []


async def test_what_never_ended_is_told_as_such_and_disturbs_no_sum(store: Store, path: Path) -> None:
    begun, _ = begun_and_ended()
    await store.record(begun)
    with reading(path) as db:
        assert checks(db, path) == []


@pytest.mark.parametrize("first_too", [True, False])
async def test_an_end_that_is_spilled_finds_its_beginning(path: Path, first_too: bool) -> None:
    spill = address_of(path).beside(".spill")
    store = await open_store(path, busy_s=0.05, spill=spill)
    begun, ended = begun_and_ended()
    if not first_too:
        await store.record(begun)
    with locked(path):
        for record in (begun, ended) if first_too else (ended,):
            await store.record(record)
    await store.settle()
    await store.close()
    store = await open_store(path, spill=spill)
    assert (await stored(store, ended))["status"] == "answered"
    assert await daily(store) == [(1, 1)]
    await store.close()
