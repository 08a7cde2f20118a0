"""A backup is whole, checked, private, and taken while the log is written to."""

import asyncio
import os
from pathlib import Path

import pytest
from sqlite_utils import Database

from ensemble.errors import StoreError
from ensemble.store import Store, open_store
from ensemble.store.keeping.backup import backup
from tests.ensemble.store.builders import a_record


async def test_a_backup_under_load_is_one_snapshot(store: Store, path: Path, tmp_path: Path) -> None:
    done = asyncio.Event()

    async def write() -> None:
        while not done.is_set():
            await store.record(a_record())

    target = tmp_path / "copy.db"
    await store.record(a_record())
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(write())
        held = await asyncio.to_thread(backup, path, target)
        done.set()
    assert target.stat().st_mode & 0o777 == 0o600
    with Database(target) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.table("requests").count == held["requests"] >= 1
        assert copy.table("calls").count == 5 * held["requests"]
    opened = await open_store(target)
    assert (await opened.counts())["requests"] == held["requests"]
    await opened.close()
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]


async def test_nothing_is_overwritten(store: Store, path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(StoreError, match="there is a file already"):
        backup(path, target)
    assert target.read_text() == "precious"
    with pytest.raises(StoreError, match="the backup cannot be made: No such file or directory"):
        backup(path, tmp_path / "nowhere" / "copy.db")
