"""Facts beside a log that nobody looks after."""

from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ensemble.store import Store, open_store
from ensemble.store.audit import rollups, shadow
from ensemble.store.audit.facts import missing
from ensemble.store.audit.shadow import Shadow
from ensemble.store.reading import open_log
from ensemble.store.sqlite import open_reader
from ensemble.upkeep import derive
from tests.ensemble.store.builders import a_record, a_request


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Store]:
    """One request with facts, one without."""
    store = await open_store(tmp_path / "log.db")
    await store.record(a_record())
    await derive(store)
    await store.record(a_record())
    yield store
    await store.close()


async def _cases(store: Store) -> object:
    return await store.read(lambda db: rollups.cases(db)["cases"])


async def test_what_is_missing_is_made_beside_the_file(writer: Store, tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.db") as log:
        assert await log.read(lambda db: rollups.cases(db)["cases"]) == 2
        assert await log.read(lambda db: {row["won"] for row in rollups.members(db)}) == {0, 2}
        assert await log.read(missing) == 0
        assert await log.read(lambda db: db.execute("PRAGMA query_only").fetchone()[0]) == 1
    assert await _cases(writer) == 1
    assert await writer.read(missing) == 1


async def test_more_that_comes_is_made_too_until_a_service_does_it(writer: Store, tmp_path: Path) -> None:
    async with open_log(tmp_path / "log.db") as log:
        assert await log.read(lambda db: rollups.cases(db)["cases"]) == 2
        await writer.record(a_record())
        assert await log.read(lambda db: rollups.cases(db)["cases"]) == 3
        await derive(writer)
        await writer.record(a_record(request=a_request(arrived_at=datetime.now(UTC))))
        await derive(writer)
        assert await log.read(lambda db: rollups.cases(db)["cases"]) == 4
        beside = "SELECT name FROM temp.sqlite_master WHERE name LIKE 'audit%'"
        assert await log.read(lambda db: db.execute(beside).fetchall()) == []


async def test_a_large_log_is_not_copied_for_a_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "SMALL", 10)
    store = await open_store(tmp_path / "log.db")
    for _ in range(101):
        await store.record(a_record())
    await derive(store)
    await store.record(a_record())
    with closing(open_reader(tmp_path / "log.db")) as db:
        Shadow(db).refresh()
        assert rollups.cases(db)["cases"] == 101
        await store.record(a_record())
        Shadow(db).refresh()
        assert rollups.cases(db)["cases"] == 103
    await store.close()


async def test_a_service_is_given_time(tmp_path: Path) -> None:
    """What came just now will be in the file in a moment."""
    store = await open_store(tmp_path / "log.db")
    await store.record(a_record(request=a_request(arrived_at=datetime.now(UTC))))
    with closing(open_reader(tmp_path / "log.db")) as db:
        Shadow(db).refresh()
        assert rollups.cases(db)["cases"] == 0
    await store.close()
