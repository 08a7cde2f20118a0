"""While the log cannot be written, records go to a file, and come back whole, in order, once."""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest

from ensemble.errors import StoreError
from ensemble.store import Store, open_store
from ensemble.store.address import address_of
from ensemble.store.keeping.checks import checks, files_of
from ensemble.store.keeping.connect import reading
from ensemble.store.purse import Purse
from ensemble.types import Late
from tests.conftest import ROOT
from tests.ensemble.store.builders import a_late, a_record
from tests.ensemble.store.engines import locked
from tests.patience import PATIENCE_S


@pytest.fixture
def spill(path: Path) -> Path:
    return address_of(path).beside(".spill")


def lines(spill: Path) -> list[bytes]:
    """What is spilled, oldest first: what is about to be taken in, and what came after it."""
    files = [spill.with_name(f"{spill.name}.taking"), spill] if not spill.name.endswith(".aside") else [spill]
    return [line for file in files if file.exists() for line in file.read_bytes().splitlines(keepends=True)]


def put(file: Path, text: bytes) -> None:
    file.write_bytes(text)
    file.chmod(0o600)


def modes(path: Path) -> set[int]:
    return {file.stat().st_mode & 0o777 for file in files_of(path)}


async def refused(store: Store) -> StoreError | None:
    try:
        await store.record(a_record())
    except StoreError as error:
        return error
    return None


async def opened(path: Path, spill: Path) -> Store:
    return await open_store(path, busy_s=0.05, spill=spill)


def ids(path: Path) -> list[str]:
    with reading(path) as db:
        assert checks(db, path) == []
        return [row[0] for row in db.execute("SELECT id FROM requests ORDER BY rowid")]


async def test_a_locked_log_answers_and_takes_in_when_it_can(path: Path, spill: Path) -> None:
    store = await opened(path, spill)
    records = [a_record() for _ in range(4)]
    await store.record(records[0])
    with locked(path):
        await store.record(records[1])
        await store.record(records[2])
        await store.record_late(a_late(records[1]))
        await store.ping()
        assert modes(path) == {0o600}
        assert len(lines(spill)) == 3
        assert (await store.counts())["requests"] == 1
    await store.close()
    again = await opened(path, spill)
    await again.record(records[3])
    await again.close()
    assert lines(spill) == []
    assert ids(path) == [record.request.id for record in records]
    with reading(path) as db:
        assert db.execute("SELECT count(*) FROM candidates WHERE member = 'slow'").fetchone() == (1,)


@pytest.mark.sqlite("about rights to a file")
async def test_a_file_without_the_right_to_write() -> None:
    """In a process of its own, which gives up being root if it is, and so in a folder that others can reach."""
    script = """
import asyncio, os, sys
from pathlib import Path
from ensemble.store import open_store
from tests.ensemble.store.builders import a_record

async def main():
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    store = await open_store(sys.argv[1], busy_s=0.2, spill=Path(sys.argv[1] + ".spill"))
    await store.record(a_record())
    await store.ping()
    await store.record(a_record())
    print((await store.counts())["requests"])
    await store.close()

asyncio.run(main())
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ensemble.db"
        spill = Path(f"{path}.spill")
        store = await opened(path, spill)
        await store.record(a_record())
        await store.close()
        path.parent.chmod(0o777)
        path.chmod(0o444)
        command = [sys.executable, "-c", script, str(path)]
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, timeout=PATIENCE_S, capture_output=True, text=True, check=False
        )
        assert done.stdout == "1\n", done.stderr
        assert len(lines(spill)) == 2
        path.chmod(0o600)
        await (await opened(path, spill)).close()
        assert lines(spill) == []
        assert len(ids(path)) == 3


@pytest.mark.sqlite("about the size of a file")
async def test_a_disk_that_takes_no_more(path: Path, spill: Path) -> None:
    store = await opened(path, spill)
    await store.record(a_record())
    wal = path.with_name(f"{path.name}-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal, hard))
    try:
        late = a_record()
        await store.record(late)
        assert [json.loads(line)["request"] for line in lines(spill)] == [late.request.id]
        told = [await refused(store) for _ in range(60)]
        whole = lines(spill)
        assert "neither the log nor the spill file takes it" in str(told[-1])
        assert all(line.endswith(b"\n") for line in whole)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await store.close()
    again = await opened(path, spill)
    assert (await again.counts())["requests"] == 1 + len(whole)
    await again.close()


async def test_what_was_written_before_a_crash_is_not_written_again(path: Path, spill: Path) -> None:
    store = await opened(path, spill)
    record = a_record()
    with locked(path):
        await store.record(record)
        await store.record_late(a_late(record))
        spilled = b"".join(lines(spill))
    await store.close()
    before = ids(path)
    put(spill.with_name(f"{spill.name}.taking"), spilled)  # the crash came before the file was removed
    put(spill, spilled)
    again = await opened(path, spill)
    counts = await again.counts()
    await again.close()
    assert ids(path) == before == [record.request.id]
    assert (counts["candidates"], counts["verdicts"]) == (4, 2)


async def test_a_broken_last_line_is_kept_aside_and_told(
    path: Path, spill: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = await opened(path, spill)
    with locked(path):
        await store.record(a_record())
        await store.record(a_record())
    cut = lines(spill)[-1][:-40]
    put(spill, cut)
    await store.close()
    assert len(ids(path)) == 1
    aside = spill.with_name("ensemble.db.spill.aside")
    assert lines(aside) == [cut + b"\n"]
    assert modes(path) == {0o600}
    assert "cannot be taken in and is kept in" in caplog.text


async def test_rows_that_are_at_fault_are_refused_and_not_spilled(path: Path, spill: Path) -> None:
    store = await opened(path, spill)
    record = a_record()
    await store.record(record)
    with pytest.raises(StoreError, match="the row was refused"):
        await store.record(record)
    assert lines(spill) == []
    await store.close()


async def test_money_that_was_given_back_while_the_log_was_locked_is_not_set_aside_any_more(
    path: Path, spill: Path
) -> None:
    store, record = await opened(path, spill), a_record()
    await store.record(record)
    purse = Purse("run")
    for id_ in ("one", "two"):
        assert await store.change(partial(purse.reserve, id_=id_, nano_usd=5, cap=10))
    with locked(path):
        await store.record_late(Late(request=record.request.id, calls=(), authors={}, settled=("one",)))
        assert len(lines(spill)) == 1
    await store.close()
    again = await opened(path, spill)
    assert await again.change(purse.spent) == 5
    await again.close()
