"""What the writer promises when it is killed, and when others write to the same file."""

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable
from functools import partial
from pathlib import Path

import pytest

from ensemble.errors import StoreError
from ensemble.store import Store, open_store
from ensemble.store.address import Address
from ensemble.store.database import Database
from ensemble.store.keeping.checks import checks
from ensemble.store.keeping.connect import reading
from ensemble.store.rows import COLUMNS, rows_of
from ensemble.store.writer import PACK, write_rows
from ensemble.types import Late, RequestId
from tests.conftest import ROOT
from tests.ensemble.store.builders import a_record, a_request
from tests.patience import PATIENCE_S

WRITES = """
import asyncio, sys
from ensemble.store import open_store
from tests.ensemble.store.builders import a_late, a_record

async def work(store, stop):
    while not stop.is_set():
        record = a_record()
        await store.record(record)
        print("served", record.request.id, flush=True)
        await store.record_late(a_late(record))
        print("full", record.request.id, flush=True)

async def main():
    store = await open_store(sys.argv[1])
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(work(store, stop))

asyncio.run(main())
"""


def where(path: Path | Address) -> str:
    """As a program is told it; the test server's address holds no password."""
    return str(path) if isinstance(path, Path) else str(path.url)


@pytest.mark.timeout(300)
async def test_what_was_acknowledged_survives_kill_9(path: Path) -> None:
    child = subprocess.Popen(  # noqa: ASYNC220 - it is killed below
        [sys.executable, "-c", WRITES, where(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(400)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
    told = [line.split() for line in lines if line.endswith("\n")]
    store = await open_store(path)
    for phase, id_ in told:
        tree = await store.request(RequestId(id_))
        assert tree is not None, id_
        # With the served verdict there are three members; the full one has a fourth.
        verdicts = tree["verdicts"]
        assert isinstance(verdicts, list)
        assert len(verdicts) >= (1 if phase == "served" else 2)
        assert [len(verdict["scores"]) for verdict in verdicts] == [3, 4][: len(verdicts)]
        assert isinstance(tree["calls"], list)
        assert len(tree["calls"]) == 5 + (4 if len(verdicts) == 2 else 0)
    await store.close()
    with reading(path) as db:
        assert checks(db, path) == []
    assert len(told) >= 400


async def test_two_programs_share_a_log(path: Path) -> None:
    """Each has a writer of its own; they take turns, and the daily sums of both add up."""
    stores = [await open_store(path) for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        for number in range(150):
            group.create_task(stores[number % 3].record(a_record()))
    counts = await stores[0].counts()
    assert (counts["requests"], counts["calls"]) == (150, 750)
    for store in stores:
        await store.close()
    with reading(path) as db:
        assert db.execute("SELECT sum(requests) FROM daily_requests").fetchone() == (150,)
        assert db.execute("SELECT sum(calls) FROM daily_calls").fetchone() == (750,)


async def test_a_log_that_is_never_closed_does_not_hold_up_the_end(path: Path) -> None:
    script = """
import asyncio, sys
from ensemble.store import open_store
from tests.ensemble.store.builders import a_record

async def main():
    store = await open_store(sys.argv[1])
    await store.record(a_record())

asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script, where(path)],
        cwd=ROOT,
        timeout=PATIENCE_S,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == b""


async def test_a_change_is_durable_and_answers(store: Store, db: Database) -> None:
    def reserve(log: Database) -> int:
        log.conn.execute("INSERT INTO reservations VALUES ('a', 'run', 5, '2026-11-23T00:00:00.000000Z')")
        return 7

    assert await store.change(reserve) == 7
    assert db.execute("SELECT scope, nano_usd FROM reservations").fetchall() == [("run", 5)]


async def test_a_change_that_is_refused_harms_nobody_in_its_batch(store: Store, db: Database) -> None:
    def refuse(log: Database) -> None:
        log.conn.execute("INSERT INTO reservations VALUES ('a', 'run', 5, '2026-11-23T00:00:00.000000Z')")
        raise StoreError("there is no such request")

    async with asyncio.TaskGroup() as group:
        written = group.create_task(store.record(a_record()))
        refused = group.create_task(_told(store.change(refuse)))
    assert written.done()
    assert refused.result() == "there is no such request"
    assert db.execute("SELECT count(*) FROM reservations").fetchone() == (0,)
    assert db.execute("SELECT count(*) FROM requests").fetchone() == (1,)


async def test_a_change_with_a_bug_harms_nobody_else(store: Store, db: Database) -> None:
    def change(log: Database) -> None:
        log.execute("DELETE FROM requests")
        raise KeyError("a bug")

    await store.record(a_record())
    with pytest.raises(KeyError, match="a bug"):
        await store.change(change)
    await store.record(a_record())
    assert db.execute("SELECT count(*) FROM requests").fetchone() == (2,)


async def test_a_settled_reservation_goes_with_its_calls(store: Store, db: Database) -> None:
    record = a_record()
    await store.record(record)
    for name in ("kept", "settled"):
        await store.change(partial(_reserve, name))
    await store.record_late(Late(request=record.request.id, calls=(), authors={}, settled=("settled",)))
    assert db.execute("SELECT id FROM reservations").fetchall() == [("kept",)]


def _reserve(name: str, log: Database) -> None:
    log.conn.execute("INSERT INTO reservations VALUES (?, 'run', 5, '2026-11-23T00:00:00.000000Z')", [name])


async def _told(change: Awaitable[None]) -> str:
    with pytest.raises(StoreError) as caught:
        await change
    return str(caught.value)


@pytest.mark.parametrize("together", [1, PACK - 1, PACK, 2 * PACK + 1])
async def test_however_many_are_written_together_each_has_what_it_was_given(path: Path, together: int) -> None:
    # Columns that are empty in all of them are left out of the statement; here each has something in another one.
    given = [
        rows_of(a_record(request=a_request(conversation=f"c{at}" if at % 3 == 1 else None))) for at in range(together)
    ]
    store = await open_store(path)
    await store.change(lambda db: write_rows(db, given))
    for table, columns in COLUMNS.items():
        sql = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - own names
        found = await store.read(lambda db, sql=sql: db.execute(sql).fetchall())  # type: ignore[misc]
        assert Counter(map(tuple, found)) == Counter(row for rows in given for row in rows.tables[table]), table
    await store.close()
