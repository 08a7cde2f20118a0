"""The log fails under a running service: it says so, or answers and keeps what it owes; and what it must not keep."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ensemble.errors import StoreError
from ensemble.service import open_service
from ensemble.store.keeping.checks import files_of
from ensemble.store.keeping.connect import reading
from tests.patience import PATIENCE_S
from tests.served import PANEL, Served, a_question
from tests.stories.conftest import Serve

SPILL = PANEL + '\n[store]\non_failure = "spill"\n'
SECRET = "plantedtext"


def move(source: Path, target: Path) -> None:
    """The log and what SQLite keeps beside it, in the place of what is there."""
    target.mkdir(exist_ok=True)
    for name in ("ensemble.db", "ensemble.db-wal", "ensemble.db-shm"):
        (target / name).unlink(missing_ok=True)
        if (source / name).exists():
            (source / name).rename(target / name)


def spilled(folder: Path) -> int:
    files = (folder / "ensemble.db.spill.taking", folder / "ensemble.db.spill")
    return sum(len(file.read_bytes().splitlines()) for file in files if file.exists())


def no_room(*_: object) -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise full


async def asked(served: Served) -> tuple[int, Any]:
    code, said, _ = await served.post(a_question())
    return code, said


async def taken_in(served: Served, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await served.service.store.counts())["requests"] < count:
            await served.service.store.settle()


async def test_a_log_that_is_gone_is_refused_with_its_reason(serve: Serve, tmp_path: Path) -> None:
    served = await serve(PANEL)
    assert (await asked(served))[0] == 200
    path = tmp_path / "ensemble.db"
    away = tmp_path / "away.db"
    path.rename(away)
    code, said = await asked(served)
    assert (code, said["error"]["code"]) == (503, "store_unavailable")
    assert "the file is gone; put it back" in said["error"]["message"]
    assert (await served.get("/readyz"))[0] == 503
    away.rename(path)
    assert (await asked(served))[0] == 200
    assert (await served.service.store.counts())["requests"] == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_log_did_not_take_is_told_on_standard_error(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    served = await serve(PANEL)
    with monkeypatch.context() as full:
        full.setattr("ensemble.store.writer.write_rows", no_room)
        async with served.http.post(f"{served.url}/chat/completions", json=a_question("Q?", stream=stream)) as answer:
            assert "the disk is full" in await answer.text()
    (line,) = [record for record in caplog.records if record.message == "request failed"]
    assert line.levelname == "WARNING"
    told = getattr(line, "fields", {})
    assert told["code"] == "store_unavailable"
    assert "the disk is full" in told["error"]


@pytest.mark.parametrize("kind", ["gone", "damaged"])
async def test_a_fault_is_answered_through_and_the_rows_come_in_after_it(
    serve: Serve, tmp_path: Path, kind: str
) -> None:
    served = await serve(SPILL)
    path = tmp_path / "ensemble.db"
    assert (await asked(served))[0] == 200
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    move(tmp_path, tmp_path / "away")
    if kind == "damaged":
        sound = (tmp_path / "away" / "ensemble.db").read_bytes()
        path.write_bytes(sound[:4096] + b"\xff" * (len(sound) - 4096))
    answers = [await asked(served) for _ in range(2)]
    assert [code for code, _ in answers] == [200, 200]
    assert spilled(tmp_path) == 2
    move(tmp_path / "away", tmp_path)
    await taken_in(served, 3)
    assert spilled(tmp_path) == 0
    with reading(path) as db:
        rows = db.execute("SELECT status FROM requests").fetchall()
    assert rows == [("answered",)] * 3


async def test_a_locked_log_is_refused_by_the_deadline_and_not_after_it(serve: Serve, tmp_path: Path) -> None:
    served = await serve(PANEL)
    assert (await asked(served))[0] == 200
    with closing(sqlite3.connect(tmp_path / "ensemble.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(PATIENCE_S):  # the lock itself is waited for five seconds, and then told otherwise
            code, said, _ = await served.post(headers={"x-ensemble-deadline-ms": "500"})
        holder.execute("ROLLBACK")
    assert (code, said["error"]["code"]) == (503, "store_unavailable")
    assert "before the deadline" in said["error"]["message"]
    assert (await asked(served))[0] == 200


async def test_a_call_beside_a_record_that_came_too_late_is_in_the_log_too(serve: Serve, tmp_path: Path) -> None:
    """Who asked was refused, the lock then went, and the record was written after all."""
    served = await serve(PANEL + "quorum = 2\nstraggler_s = 30\n")
    served.simulator.hold("gamma", "late")
    with closing(sqlite3.connect(tmp_path / "ensemble.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        code, _, _ = await served.post(headers={"x-ensemble-deadline-ms": "500"})
        db.execute("ROLLBACK")
        assert code == 503
        await served.service.idle()
        calls = db.execute("SELECT member, failure, after_answer FROM calls ORDER BY member").fetchall()
    assert calls == [("alpha", None, 0), ("beta", None, 0), ("gamma", "cancelled", 1)]


async def test_a_log_that_cannot_be_opened_keeps_the_service_from_starting(serve: Serve, tmp_path: Path) -> None:
    await serve(SPILL)
    config = (tmp_path / "ensemble.toml").read_text().replace("[store]\n", '[store]\npath = "bad.db"\n')
    (tmp_path / "other.toml").write_text(config)
    (tmp_path / "bad.db").write_bytes(b"no database at all, and long enough to be read as a header of a file " * 9)
    with pytest.raises(StoreError, match="the file is no SQLite database"):
        async with open_service(tmp_path / "other.toml"):
            pass


async def test_a_router_that_keeps_no_content_leaves_it_in_no_byte(serve: Serve, tmp_path: Path) -> None:
    served = await serve(PANEL + "store_content = false\n")
    question = a_question(f"my {SECRET} is here", metadata={"note": SECRET}, user=SECRET)
    code, *_ = await served.post(question)
    assert code == 200
    await served.service.idle()
    held = [file.name for file in files_of(tmp_path / "ensemble.db") if SECRET.encode() in file.read_bytes()]
    assert held == []
    with reading(tmp_path / "ensemble.db") as db:
        assert db.execute("SELECT content, length(prompt_hash) FROM requests").fetchall() == [("off", 64)]
        assert db.execute("SELECT count(*) FROM candidates WHERE text = ''").fetchone() == (3,)
