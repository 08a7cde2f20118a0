"""What the file can suffer: other writers, other owners, other programs, newer versions, damage, a full disk."""

import asyncio
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from sqlite_utils import Database

from ensemble.errors import StoreError
from ensemble.store import Store, open_store
from ensemble.store.migrations import MIGRATIONS, applied
from ensemble.store.rows import COLUMNS, rows_of
from tests.conftest import ROOT
from tests.ensemble.store.builders import a_record
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.sqlite("to be a file; test_postgres.py has what a server can suffer")


def move(source: Path, target: Path) -> None:
    """Every file of the log from one folder to the other."""
    target.mkdir(exist_ok=True)
    for file in source.glob("ensemble.db*"):
        file.rename(target / file.name)


def open_to_all_but_writing(path: Path) -> None:
    """Anyone may reach the file and make others beside it, nobody but root may write to it."""
    path.parent.chmod(0o777)
    path.chmod(0o444)


def spoil(path: Path) -> None:
    """The schema on the first page stays, so that the file opens; every page behind it is gone."""
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


async def recovered(store: Store) -> int:
    await store.ping()
    await store.record(a_record())
    return (await store.counts())["requests"]


async def test_locked_by_another_process(store: Store, path: Path) -> None:
    holder = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""
    command = [sys.executable, "-c", holder, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:  # noqa: ASYNC220
        assert other.stdin is not None
        assert other.stdout is not None
        assert await asyncio.to_thread(other.stdout.readline) == "held\n"
        with pytest.raises(StoreError, match="another process holds the write lock"):
            await store.record(a_record())
        with pytest.raises(StoreError, match="another process holds the write lock"):
            await store.ping()
        other.stdin.write("\n")
    assert await recovered(store) == 1


async def test_a_file_without_the_right_to_write() -> None:
    """In a process of its own, which gives up being root if it is, and so in a folder that others can reach."""
    script = """
import asyncio, os, sys
from ensemble.errors import StoreError
from ensemble.store import open_store
from tests.ensemble.store.builders import a_record

async def main():
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    store = await open_store(sys.argv[1], busy_s=0.2)
    for write in (store.record(a_record()), store.ping()):
        try:
            await write
        except StoreError as error:
            print(error)
    print((await store.counts())["requests"], len(list(store.labels())))
    await store.close()

asyncio.run(main())
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ensemble.db"
        store = await open_store(path)
        await store.record(a_record())
        await store.close()
        open_to_all_but_writing(path)
        command = [sys.executable, "-c", script, str(path)]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, timeout=PATIENCE_S, capture_output=True, text=True, check=False
        )
    first, second, read = done.stdout.splitlines() or [done.stderr]
    assert "read-only" in first
    assert "read-only" in second
    assert read == "1 1"


async def test_a_disk_that_takes_no_more(store: Store, path: Path) -> None:
    """A limit on the size of files stands in for the full disk: the kernel refuses the bytes in the same place."""
    await store.record(a_record())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name(f"{path.name}-wal").stat().st_size, hard))
    try:
        with pytest.raises(StoreError, match="the disk reports an error or takes no more bytes"):
            await store.record(a_record())
        with pytest.raises(StoreError, match="the disk reports an error or takes no more bytes"):
            await store.ping()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert await recovered(store) == 2


@pytest.mark.parametrize("spill", [False, True])
async def test_a_disk_that_takes_a_ping_and_no_record(path: Path, monkeypatch: pytest.MonkeyPatch, spill: bool) -> None:
    store = await open_store(path, spill=path.with_name("spill") if spill else None)
    await store.record(a_record())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    most = path.with_name(f"{path.name}-wal").stat().st_size + 65_536
    monkeypatch.setattr("ensemble.store.room.ROOM", 2 * most)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        with pytest.raises(StoreError, match="the disk takes no further record"):
            await store.ping()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert await recovered(store) == 2
    await store.close()


async def test_a_file_that_was_moved_away(store: Store, tmp_path: Path) -> None:
    """Rows must not go into a file that has no name any more."""
    await store.record(a_record())
    assert (await store.counts())["requests"] == 1
    move(tmp_path, tmp_path / "away")
    for attempt in (store.record(a_record()), store.ping(), store.counts()):
        with pytest.raises(StoreError, match="the file is gone; put it back"):
            await attempt
    assert os.listdir(tmp_path) == ["away"]
    move(tmp_path / "away", tmp_path)
    assert await recovered(store) == 2


async def test_a_file_that_another_took_the_place_of(store: Store, path: Path, tmp_path: Path) -> None:
    """Who asks and who writes sees the file that stands there, not the one that stood there before."""
    await store.record(a_record())
    assert (await store.counts())["requests"] == 1
    move(tmp_path, tmp_path / "away")
    other = await open_store(path)
    await other.close()
    assert (await store.counts())["requests"] == 0
    assert await recovered(store) == 1
    with Database(path) as db:
        assert db.table("requests").count == 1


async def test_a_damaged_file(store: Store, path: Path) -> None:
    await store.record(a_record())
    await store.close()
    spoil(path)
    with pytest.raises(StoreError, match=r"the file is damaged; stop, and restore a backup"):
        await open_store(path)


async def test_a_file_that_is_no_database(path: Path) -> None:
    await asyncio.to_thread(path.write_text, "this is a text file, long enough to be taken for something else" * 20)
    with pytest.raises(StoreError, match="is no SQLite database"):
        await open_store(path)


async def test_a_file_of_another_program(path: Path) -> None:
    with Database(path) as db:
        db.table("responses").insert({"id": 1})
    with pytest.raises(StoreError, match="belongs to another program"):
        await open_store(path)
    with Database(path) as db:
        assert db.table_names() == ["responses"]


async def test_a_newer_schema_is_refused_and_left_alone(store: Store, path: Path) -> None:
    await store.record(a_record())
    await store.close()
    with Database(path) as db:
        step = {"migration_set": "ensemble", "name": "9999_from_the_future", "applied_at": "2030-01-01"}
        db.table("_sqlite_migrations").insert(step)
    with pytest.raises(StoreError, match=r"a newer version of this program wrote it .*9999_from_the_future"):
        await open_store(path)


async def test_an_older_schema_is_copied_and_brought_up_to_date(path: Path) -> None:
    with Database(path) as db:
        MIGRATIONS.apply(db, stop_before="0002_labels")
    store = await open_store(path)
    await store.record(a_record())
    assert len(list(store.labels())) == 1
    await store.close()
    copy = path.with_name("ensemble.db.schema-1")
    assert copy.stat().st_mode & 0o777 == 0o600
    with Database(copy) as db:
        assert db.view_names() == []
        assert "requests" in db.table_names()


async def test_a_file_of_schema_3_takes_replies_with_log_probabilities(path: Path) -> None:
    with Database(path) as db:
        MIGRATIONS.apply(db, stop_before="0004_replies")
        db.execute("PRAGMA journal_mode = WAL")
    store = await open_store(path)
    await store.record(a_record())
    await store.close()
    assert path.with_name("ensemble.db.schema-3").exists()
    with Database(path) as db:
        assert {row[0] for row in db.execute("SELECT logprobs FROM calls")} == {None}


async def test_a_file_of_schema_4_takes_imports_of_unknown_latency(path: Path) -> None:
    with Database(path) as db:
        MIGRATIONS.apply(db, stop_before="0005_imports")
    store = await open_store(path)
    await store.record(a_record())
    with Database(path) as db, pytest.raises(sqlite3.IntegrityError, match=r"NOT NULL .*calls\.member"):
        db.execute("UPDATE calls SET member = NULL")
    with Database(path) as db:
        db.execute("UPDATE calls SET total_s = NULL WHERE member = 'small'")
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    (label,) = store.labels()
    assert label.total_s == {"medium": 0.5, "large": 0.5}
    await store.close()
    assert path.with_name("ensemble.db.schema-4").exists()


async def test_a_file_of_schema_5_takes_items_of_batches(path: Path) -> None:
    with Database(path) as db:
        MIGRATIONS.apply(db, stop_before="0006_batches")
        db.execute("PRAGMA journal_mode = WAL")
    store = await open_store(path)
    await store.record(a_record())
    await store.close()
    assert path.with_name("ensemble.db.schema-5").exists()
    with Database(path) as db:
        known = set(db.table("batch_items").columns_dict)
    assert {"digest", "stage", "seat", "attempt", "dropped", "reservation"} <= known


RELEASED = {
    1: "0003_datasets",
    3: "0004_replies",
    4: "0005_imports",
    5: "0006_batches",
    6: "0007_search",
    7: "0008_watched",
    8: "0009_keys",
    9: "0010_idempotency",
    10: "0011_reuse",
    11: "0012_ranking",
    12: "0013_reviews",
    14: "0015_draws",
    15: "0016_audit",
    16: "0017_members",
    17: "0018_judged",
}
"""Schemas that were released, and the first step that each lacks."""


@pytest.mark.parametrize("schema", RELEASED)
async def test_every_released_schema_keeps_its_rows(path: Path, schema: int) -> None:
    record = a_record()
    with Database(path) as db:
        MIGRATIONS.apply(db, stop_before=RELEASED[schema])
        for table, rows in rows_of(record).tables.items():
            had = {column.name for column in db.table(table).columns}
            named = [dict(zip(COLUMNS[table], row, strict=True)) for row in rows]
            db.table(table).insert_all([{k: v for k, v in row.items() if k in had} for row in named])
        done = len(applied(db))
    store = await open_store(path)
    tree = await store.request(record.request.id)
    assert tree is not None
    assert (tree["source"], tree["content"]) == ("served", "kept")
    assert [label.usable for label in store.labels()] == [True]
    await store.record(a_record())
    assert (await store.counts())["candidates"] == 6
    await store.close()
    copy = path.with_name(f"ensemble.db.schema-{done}")
    assert copy.stat().st_mode & 0o777 == 0o600
    with Database(copy) as db:
        assert db.table("candidates").count == 3
        assert len(applied(db)) == done


async def test_opening_again_changes_nothing(store: Store, path: Path) -> None:
    await store.record(a_record())
    again = await open_store(path)
    assert (await again.counts())["requests"] == 1
    await again.close()
    assert not list(path.parent.glob("*.schema-*"))


async def test_many_open_a_new_file_at_once(path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        opening = [group.create_task(open_store(path)) for _ in range(6)]
    for task in opening:
        await task.result().record(a_record())
        await task.result().close()
    with Database(path) as db:
        assert db.table("requests").count == 6


@pytest.mark.parametrize("address", ["", ":memory:", "sqlite://", "sqlite:///:memory:"])
async def test_a_log_needs_a_file(address: str) -> None:
    with pytest.raises(StoreError, match="needs a file"):
        await open_store(address)


async def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(StoreError, match="no engine keeps a log at mysql://; a path, sqlite:///PATH and"):
        await open_store("mysql://host/log")


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the log cannot be made: there is no folder .*; make it, or name"):
        await open_store(tmp_path / "nowhere" / "ensemble.db")


async def test_a_path_may_stand_in_an_address(path: Path) -> None:
    store = await open_store(f"sqlite:///{path}")
    await store.ping()
    await store.close()
    assert os.listdir(path.parent) == ["ensemble.db"]


async def test_a_proof_of_writing_writes(store: Store, path: Path) -> None:
    await store.ping()
    before = path.with_name(f"{path.name}-wal").stat().st_size
    await store.ping()
    assert path.with_name(f"{path.name}-wal").stat().st_size > before


async def test_the_file_keeps_its_promises(store: Store, path: Path) -> None:
    await store.record(a_record())
    await store.ping()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA application_id").fetchone() == (0x454E534A,)
    assert db.execute("PRAGMA user_version").fetchone() == (18,)
    db.close()
