"""What a service does to its log by itself, hour after hour, on a virtual clock over a real file."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from ensemble.errors import StoreError
from ensemble.store import Store, open_store
from ensemble.store.database import Database
from ensemble.store.keeping.connect import reading, transaction, writing
from ensemble.store.keeping.search import behind
from ensemble.store.rows import rows_of
from ensemble.store.writer import write_rows
from ensemble.upkeep import DAY_S, EVERY_S, FULL, PATIENCE_S, upkeep
from tests import patience
from tests.ensemble.store.builders import a_record, a_request
from tests.virtual import run_virtual

AN_HOUR = timedelta(hours=1)


class Log:
    """A store without threads, since a virtual clock cannot wait for them.

    ``fault`` is what its next change meets; so many requests pour in at each of them.
    """

    def __init__(self, db: Database) -> None:
        self.db = db
        self.settled = 0
        self.fault: Exception | None = None
        self.pours = 0

    async def settle(self) -> None:
        self.settled += 1

    async def read(self, question: Callable[[Database], Any]) -> Any:
        return question(self.db)

    async def change(self, change: Callable[[Database], Any]) -> Any:
        if fault := self.fault:
            self.fault = None
            raise fault
        for _ in range(self.pours):
            self.add(timedelta(0))
        with transaction(self.db):
            return change(self.db)

    def add(self, age: timedelta) -> None:
        request = a_request("an old question", arrived_at=datetime.now(UTC) - age)
        with transaction(self.db):
            write_rows(self.db, [rows_of(a_record(request=request))])

    def contents(self) -> list[str]:
        return [row[0] for row in self.db.execute("SELECT content FROM requests ORDER BY rowid")]


def tend(
    path: Path,
    scenario: Callable[[Log], Coroutine[Any, Any, None]],
    keep_for: timedelta | None,
    busy: Callable[[], float] = lambda: 0.0,
) -> None:
    """Play ``scenario`` on a new log at ``path`` while its upkeep runs; ``busy`` is the share of a core in use."""

    async def made() -> None:
        await (await open_store(path)).close()

    async def run() -> None:
        with writing(path) as db:
            log = Log(db)
            log.add(timedelta(0))
            log.add(2 * AN_HOUR)
            loop = asyncio.get_running_loop()
            async with upkeep(cast("Store", log), keep_for, cpu_s=lambda: busy() * loop.time()):
                await scenario(log)

    asyncio.run(made())
    run_virtual(run())


def test_old_texts_expire_once_a_day(tmp_path: Path) -> None:
    async def scenario(log: Log) -> None:
        await asyncio.sleep(EVERY_S / 2)
        assert log.contents() == ["kept", "expired"]
        log.add(2 * AN_HOUR)
        await asyncio.sleep(DAY_S - EVERY_S)
        assert log.contents() == ["kept", "expired", "kept"]
        await asyncio.sleep(2 * EVERY_S)
        assert log.contents() == ["kept", "expired", "expired"]

    tend(tmp_path / "ensemble.db", scenario, AN_HOUR)


def test_without_a_limit_nothing_expires(tmp_path: Path) -> None:
    async def scenario(log: Log) -> None:
        await asyncio.sleep(3 * DAY_S)
        assert log.contents() == ["kept", "kept"]
        assert log.settled == pytest.approx(3 * DAY_S / EVERY_S, rel=0.01)  # a step of an index takes a moment too

    tend(tmp_path / "ensemble.db", scenario, None)


def test_what_comes_goes_into_the_search_indexes(tmp_path: Path) -> None:
    async def scenario(log: Log) -> None:
        await asyncio.sleep(EVERY_S / 2)
        assert behind(log.db) == 0
        log.add(AN_HOUR)
        assert behind(log.db) > 0
        await asyncio.sleep(EVERY_S)
        assert behind(log.db) == 0

    tend(tmp_path / "ensemble.db", scenario, None)


def test_it_gives_way_to_requests_but_not_for_ever(tmp_path: Path) -> None:
    share = 2 * FULL

    async def scenario(log: Log) -> None:
        nonlocal share
        for _ in range(120):  # more than a step takes in
            log.add(AN_HOUR)
        await asyncio.sleep(PATIENCE_S / 2)
        assert behind(log.db) > 0, "requests come first"
        await asyncio.sleep(PATIENCE_S)
        assert behind(log.db) == 0, "but its patience has an end"
        for _ in range(120):
            log.add(AN_HOUR)
        share = FULL / 2
        await asyncio.sleep(2 * EVERY_S)
        assert behind(log.db) == 0, "and there is time for it otherwise"

    tend(tmp_path / "ensemble.db", scenario, None, lambda: share)


def test_facts_are_made_though_texts_come_faster_than_they_are_indexed(tmp_path: Path) -> None:
    async def scenario(log: Log) -> None:
        log.pours = 3
        await asyncio.sleep(EVERY_S / 6)
        assert log.db.execute("SELECT count(*) FROM audit_cases").fetchone()[0] > 100

    tend(tmp_path / "ensemble.db", scenario, None)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (StoreError("the disk is full"), "the upkeep of the log waits: the disk is full"),
        (ValueError("a bug"), "the upkeep of the log failed"),
    ],
)
def test_a_fault_ends_one_round_and_not_the_upkeep(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: Exception, told: str
) -> None:
    async def scenario(log: Log) -> None:
        log.fault = fault
        await asyncio.sleep(EVERY_S / 2)
        assert log.contents() == ["kept", "kept"]
        await asyncio.sleep(EVERY_S)
        assert log.contents() == ["kept", "expired"]

    tend(tmp_path / "ensemble.db", scenario, AN_HOUR)
    assert told in caplog.text


async def test_spilled_records_come_in_although_nobody_asks(tmp_path: Path) -> None:
    """With a real store: the fault ends, and no request comes that would take them in on its way."""
    path, spill = tmp_path / "ensemble.db", tmp_path / "spilled"
    store = await open_store(path, busy_s=0.05, spill=spill)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await store.record(a_record())
    other.close()
    async with upkeep(store), asyncio.timeout(patience.PATIENCE_S):
        while not (await store.counts())["requests"]:
            continue
    await store.close()
    with reading(path) as db:
        assert behind(db) in (0, 4)
