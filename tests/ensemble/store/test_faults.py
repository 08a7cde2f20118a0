"""Each fault is made by SQLite itself and read by ``explain``."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ensemble.store.address import address_of
from ensemble.store.faults import ROW_FAULTS, explain


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


def test_an_unknown_fault_is_told_as_it_is() -> None:
    with closing(sqlite3.connect(":memory:")) as db, pytest.raises(sqlite3.OperationalError) as caught:
        db.execute("SELECT * FROM nowhere")
    assert explain(caught.value, Path("log.db")) == "log.db: no such table: nowhere"
    assert not isinstance(caught.value, ROW_FAULTS)


@pytest.mark.parametrize("value", [2**64, object(), "\ud800"])
def test_what_cannot_be_bound_is_the_fault_of_its_row(value: object) -> None:
    with closing(sqlite3.connect(":memory:")) as db, pytest.raises(ROW_FAULTS):
        db.execute("SELECT ?", [value])
