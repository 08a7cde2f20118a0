"""Shadow and drift of watched routers over time."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ensemble.audit.shapes import Window
from ensemble.audit.watching import watch_tables
from ensemble.store import open_store
from ensemble.store.keeping.connect import reading
from tests.ensemble.store.builders import a_record

ROWS = (
    # router, digest, day, event, value
    ("routed", "d", "2026-11-20", "label", 1.0),
    ("routed", "d", "2026-11-20", "label", 0.5),
    ("routed", "d", "2026-11-20", "anchor", 1.0),
    ("other", "o", "2026-11-21", "label", 1.0),
    ("routed", "d", "2026-11-22", "label", 0.0),
    ("routed", "d", "2026-11-22", "demoted", None),
    ("routed", "e", "2026-11-22", "label", 1.0),
)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A log with those rows of a watch."""
    path = tmp_path / "log.db"
    store = await open_store(path)
    record = a_record()
    await store.record(record)
    await store.close()
    with closing(sqlite3.connect(path)) as db:
        db.executemany(
            "INSERT INTO watched (router, digest, judge, at, event, request_id, value, why) "
            "VALUES (?, ?, 'j', ?, ?, ?, ?, ?)",
            [
                (router, digest, f"{day}T12:00:00.000000Z", event, record.request.id, value, "" if value else "so")
                for router, digest, day, event, value in ROWS
            ],
        )
        db.commit()
    return path


async def test_every_day_of_every_watch_is_told(path: Path) -> None:
    with reading(path) as db:
        table = watch_tables(db, Window())["shadow"]
    assert [(row["router"], row["digest"], row["day"], row["labels"], row["kept"]) for row in table.rows] == [
        ("other", "o", "2026-11-21", 1, 1.0),
        ("routed", "d", "2026-11-20", 2, 0.75),
        ("routed", "d", "2026-11-22", 1, 0.0),
        ("routed", "e", "2026-11-22", 1, 1.0),
    ]
    first, alone = table.rows[1], table.rows[2]
    assert first["kept_low"] == pytest.approx(0.75 - 1.96 * 0.25, abs=1e-3)
    assert first["kept_high"] == 1.0  # cut, since quality kept is at most that
    assert alone["kept_low"] is None
    assert (first["anchors"], first["agreement"], alone["anchors"], alone["agreement"]) == (1, 1.0, 0, None)


async def test_decisions_and_days_are_those_of_the_window(path: Path) -> None:
    with reading(path) as db:
        tables = watch_tables(db, Window(since="2026-11-22", until="2026-11-22", router="routed"))
        nothing = watch_tables(db, Window(router="nobody"))
    assert [(row["digest"], row["labels"]) for row in tables["shadow"].rows] == [("d", 1), ("e", 1)]
    (decision,) = tables["decisions"].rows
    assert (decision["event"], decision["at"], decision["why"]) == ("demoted", "2026-11-22T12:00:00.000000Z", "so")
    assert all(not table.rows and table.empty for table in nothing.values())
    for table in tables.values():
        for row in table.rows:
            assert set(row) == {column.name for column in table.columns}, table.name
