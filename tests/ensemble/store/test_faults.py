"""Each fault is made by SQLite itself and read by ``explain``."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ensemble.store import open_store
from ensemble.store.address import address_of
from ensemble.store.faults import ROW_FAULTS, explain
from tests.conftest import ROOT
from tests.patience import PATIENCE_S


def test_a_full_disk(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "full.db")) as db:
        db.execute("PRAGMA max_page_count = 2")
        db.execute("CREATE TABLE t (x)")
        with pytest.raises(sqlite3.OperationalError) as caught:
            db.execute("INSERT INTO t VALUES (zeroblob(100000))")
    told = explain(caught.value, Path("log.db"))
    assert told.startswith("log.db: the disk is full; free some space, writing then goes on by itself (")


def test_a_log_in_a_folder_that_is_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(tmp_path / "log.db")) as db:
        db.execute("PRAGMA journal_mode = WAL")
    (tmp_path / "log.db-wal").mkdir()  # as good as read-only, and for root too
    with closing(sqlite3.connect(tmp_path / "log.db")) as db, pytest.raises(sqlite3.OperationalError) as caught:
        db.execute("SELECT * FROM sqlite_master")
    assert "see that its folder exists" in explain(caught.value, tmp_path / "log.db")
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    for where in (tmp_path / "log.db", address_of(tmp_path / "log.db")):
        assert "or copy the log, with its -wal where there is one" in explain(caught.value, where)


# In a process of its own, which gives up being root if it is, and so in a folder that others can reach.
WITHOUT_RIGHTS = """
import asyncio, os, sys
from ensemble.errors import StoreError
from ensemble.store import open_store
from ensemble.store.opening import open_reader

if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
for name in ("ensemble.db", "new.db"):
    try:
        asyncio.run(open_store(name))
    except StoreError as error:
        print(error)
try:
    open_reader("ensemble.db")
except StoreError as error:
    print(error)
"""


async def test_who_may_not_write_to_the_folder_of_a_log_is_told_what_mends_it() -> None:
    with TemporaryDirectory() as place:
        folder = Path(place)
        await (await open_store(folder / "ensemble.db")).close()
        for path, mode in ((folder / "ensemble.db", 0o666), (folder, 0o555)):
            path.chmod(mode)
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", WITHOUT_RIGHTS],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=PATIENCE_S, capture_output=True, text=True, check=False,
        )  # fmt: skip
    writer, new, reader = done.stdout.splitlines() or [done.stderr]
    for told in (writer, reader):
        assert told.startswith("ensemble.db: its folder is read-only for this user, and even to read")
        assert "or copy the log" in told
    assert new == (
        f"new.db: the log cannot be made: this user may not write to the folder {folder}; "
        "give it the right to, or name a file elsewhere"
    )


def test_a_file_that_this_user_may_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (log := tmp_path / "log.db").touch()
    error = sqlite3.OperationalError("unable to open database file")
    error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    monkeypatch.setattr("os.access", lambda path, mode: path != log or mode == os.F_OK)
    assert "the file is read-only or closed for this user; give" in explain(error, log)


def test_an_unknown_fault_is_told_as_it_is() -> None:
    with closing(sqlite3.connect(":memory:")) as db, pytest.raises(sqlite3.OperationalError) as caught:
        db.execute("SELECT * FROM nowhere")
    assert explain(caught.value, Path("log.db")) == "log.db: no such table: nowhere"
    assert not isinstance(caught.value, ROW_FAULTS)


@pytest.mark.parametrize("value", [2**64, object(), "\ud800"])
def test_what_cannot_be_bound_is_the_fault_of_its_row(value: object) -> None:
    with closing(sqlite3.connect(":memory:")) as db, pytest.raises(ROW_FAULTS):
        db.execute("SELECT ?", [value])
