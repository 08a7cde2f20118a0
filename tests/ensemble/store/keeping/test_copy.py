"""A log moves whole: from one engine to another, cut off in the middle, while it is served."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ensemble.errors import StoreError
from ensemble.store import Store, open_store
from ensemble.store.address import Address, address_of
from ensemble.store.describe import Table, describe
from ensemble.store.keeping.checks import checks
from ensemble.store.keeping.connect import reading, transaction, writing
from ensemble.store.keeping.copy import Copied, copy
from ensemble.store.keeping.erase import Scope, erase
from ensemble.store.keeping.search import catch_up, search
from tests.ensemble.store.builders import a_late, a_record, a_request
from tests.ensemble.store.filled import fill


@pytest.fixture(params=["to a file", "to a server"])
def into_server(request: pytest.FixtureRequest) -> bool:
    """Which way: from a server to a file, or from a file to a server."""
    return bool(request.param == "to a server")


@pytest.fixture
async def logs(path: Path, tmp_path: Path, into_server: bool) -> tuple[Address, Address]:
    """Two empty logs, one of them on a server."""
    server, file = address_of(path), address_of(tmp_path / "file.db")
    for log in (server, file):
        await (await open_store(log)).close()
    return (file, server) if into_server else (server, file)


@pytest.fixture
def source(logs: tuple[Address, Address]) -> Address:
    return logs[0]


@pytest.fixture
def target(logs: tuple[Address, Address]) -> Address:
    return logs[1]


pytestmark = pytest.mark.postgres


def rows(where: Address, table: str) -> int:
    with reading(where) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - own names


def everything(where: Address) -> dict[str, Sequence[object]]:
    with reading(where) as db:
        return {table.name: [tuple(row) for row in db.execute(_all(table)).fetchall()] for table in describe()}


def _all(table: Table) -> str:
    names = ", ".join(column.name for column in table.columns)
    return f"SELECT {names} FROM {table.name} ORDER BY {', '.join(table.key)}"  # noqa: S608 - own names


def test_every_row_of_every_table_is_there(source: Address, target: Address) -> None:
    fill(source)
    done = copy(source, target)
    assert [one.table for one in done] == [table.name for table in describe()]
    assert all(one.whole and one.written + one.changed >= one.rows - 5 for one in done)
    assert all(one.rows == 5 for one in done)
    assert everything(source) == everything(target)


def test_what_is_there_is_not_written_again(source: Address, target: Address) -> None:
    fill(source)
    copy(source, target)
    assert not any(one.written or one.changed or one.removed for one in copy(source, target))


@pytest.mark.parametrize("into_server", ["to a server"], indirect=True)
@pytest.mark.parametrize(("table", "column", "known"), [("requests", "end_user", False), ("outbox", "problem", True)])
def test_a_row_that_a_server_cannot_keep_is_named(
    source: Address, target: Address, table: str, column: str, known: bool
) -> None:
    fill(source, 60)
    if known:
        copy(source, target)
    with writing(source) as db, transaction(db):
        (id_,) = db.execute(f"SELECT id FROM {table} ORDER BY id LIMIT 1 OFFSET 57").fetchone()  # noqa: S608
        change = f"UPDATE {table} SET {column} = ? WHERE id = ?"  # noqa: S608 - own names
        db.execute(change, ["Ann\0a secret", id_])
    with pytest.raises(StoreError) as caught:
        copy(source, target)
    told = str(caught.value)
    assert f"{table} id = {id_!r}, column {column}: its text holds a NUL, which a server cannot keep" in told
    assert "secret" not in told
    with writing(source) as db, transaction(db):
        db.execute(change, ["Ann", id_])
    assert all(one.whole for one in copy(source, target))


@pytest.mark.parametrize("into_server", ["to a server"], indirect=True)
def test_rows_that_a_server_refuses_for_another_reason_are_told_by_their_keys(source: Address, target: Address) -> None:
    fill(source, 3)
    with writing(target) as db, transaction(db):
        db.execute("ALTER TABLE requests ADD CONSTRAINT ours CHECK (dialect = 'nobody''s')")
    with writing(source) as db:
        ids = [id_ for (id_,) in db.execute("SELECT id FROM requests ORDER BY id")]
    with pytest.raises(StoreError, match="violates check constraint") as caught:
        copy(source, target)
    assert f"one of these rows: requests id = '{ids[0]}' to requests id = '{ids[-1]}'" in str(caught.value)


def test_killed_in_the_middle_it_goes_on(source: Address, target: Address) -> None:
    fill(source, 120)
    command = [sys.executable, "-c", "from ensemble.cli import main; main()", "log", "copy", *_urls(source, target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert running.stderr.readline().startswith("requests: 120 rows")
        running.send_signal(signal.SIGKILL)
    assert rows(target, "requests") == 120
    assert rows(target, "outbox") < 120
    done = copy(source, target)
    assert all(one.whole for one in done)
    assert done[0].written == 0
    assert everything(source) == everything(target)


def _urls(*addresses: Address) -> list[str]:
    return [str(one.file or one.url) for one in addresses]


async def test_run_again_it_takes_in_what_came_and_what_went(source: Address, target: Address) -> None:
    store = await open_store(source)
    first, second = a_record(request=a_request("A secret of Ann.")), a_record(request=a_request("Another one."))
    await store.record(first)
    with writing(source) as db, transaction(db):
        db.execute("INSERT INTO reservations (id, scope, nano_usd, made_at) VALUES ('r', 'run', 5, 'now')")
    copy(source, target)
    searchable(target)
    await store.record(second)
    await store.record_late(a_late(first))
    with writing(source) as db, transaction(db):
        db.execute("DELETE FROM reservations")
    await store.close()
    with writing(source) as db:
        erase(db, source, Scope(ids=(first.request.id,)))
    done = {one.table: one for one in copy(source, target)}
    assert all(one.whole for one in done.values())
    told = [done[name] for name in ("requests", "tombstones", "reservations")]
    assert [(one.written, one.changed, one.removed) for one in told] == [(1, 1, 0), (1, 0, 0), (0, 0, 1)]
    searchable(target)
    with reading(target) as db:
        assert checks(db, target) == []
        assert search(db, "Ann", 5) == []
        assert [hit["id"] for hit in search(db, "Another", 5)] == [second.request.id]


def searchable(where: Address) -> None:
    with writing(where) as db, transaction(db):
        catch_up(db, 1000)


async def test_while_the_log_is_served(source: Address, target: Address) -> None:
    store = await open_store(source)
    await store.record(a_record())
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(_serve(store, ended))
        done = await asyncio.to_thread(copy, source, target)
        ended.set()
    await store.close()
    assert all(one.whole for one in done)
    with reading(target) as db:
        assert checks(db, target) == []
    assert all(one.whole for one in copy(source, target))
    assert everything(source) == everything(target)


async def _serve(store: Store, ended: asyncio.Event) -> None:
    while not ended.is_set():
        record = a_record()
        await store.record(record)
        await store.record_late(a_late(record))


async def test_what_was_copied_is_served(source: Address, target: Address) -> None:
    fill(source)
    copy(source, target)
    store = await open_store(target)
    record = a_record()
    await store.record(record)
    await store.record_late(a_late(record))
    await store.change(
        lambda db: db.execute(
            "INSERT INTO watched (router, digest, judge, at, event, why) VALUES ('r', 'd', 'j', 'now', 'label', '')"
        )
    )
    await store.close()
    assert rows(target, "watched") == rows(source, "watched") + 1
    assert rows(target, "audit_stale") > rows(source, "audit_stale")


async def test_another_log_is_not_overwritten(source: Address, target: Address) -> None:
    for log in (source, target):
        store = await open_store(log)
        await store.record(a_record())
        await store.close()
    before = everything(target)
    with pytest.raises(StoreError, match="it holds requests that the log to copy lacks"):
        copy(source, target)
    assert everything(target) == before


def test_a_log_is_not_copied_to_itself(source: Address) -> None:
    with pytest.raises(StoreError, match="cannot be copied to itself"):
        copy(source, f"sqlite:///{source.file}" if source.file else f"{source.url}&application_name=me")


def test_somebody_else_who_writes_to_the_copy_is_found_out(source: Address, target: Address) -> None:
    fill(source)

    def meddle(one: Copied) -> None:
        if one.table == "audit_stale":
            with writing(target) as db, transaction(db):
                db.execute("UPDATE calls SET total_s = 7 WHERE id LIKE '%000002%'")
                db.execute("DELETE FROM feedback WHERE id LIKE '%000003%'")

    bad = [one.table for one in copy(source, target, meddle) if not one.whole]
    assert bad == ["calls", "feedback"]
