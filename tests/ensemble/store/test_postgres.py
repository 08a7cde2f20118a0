"""What a log on a server can suffer: lost connections, other writers, programs and releases, wrong addresses."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.errors import StoreError
from ensemble.store import Store, open_store
from ensemble.store.address import address_of
from ensemble.store.database import Database
from ensemble.store.keeping.connect import transaction
from ensemble.store.opening import open_writer
from ensemble.store.postgres.database import Loop, connected
from ensemble.store.postgres.dialect import translate
from ensemble.store.postgres.engine import PostgresEngine, Step, _steps, migrate
from ensemble.store.postgres.faults import ServerFault
from ensemble.store.rows import rows_of
from ensemble.store.writer import write_rows
from ensemble.types import CallId
from judges.types import Usage
from tests import services
from tests.ensemble.store.builders import a_late, a_record, a_request, an_id
from tests.ensemble.store.engines import from_the_future, locked
from tests.services import Schema

DELAY = "SELECT pg_sleep(20)"


@pytest.fixture
async def schema() -> AsyncIterator[Schema]:
    async with services.postgres_schema() as made:
        yield made


@pytest.fixture
async def log(schema: Schema) -> AsyncIterator[Store]:
    opened = await open_store(schema.url, busy_s=0.3)
    yield opened
    await opened.close()


def pid(db: Database) -> int:
    return int(db.execute("SELECT pg_backend_pid()").fetchone()[0])


async def end(schema: Schema, *processes: int) -> None:
    """End the server's processes, and wait until they are gone."""
    for process in processes:
        await services.execute(schema.server, f"SELECT pg_terminate_backend({process}, 5000)")


async def requests(store: Store) -> int:
    return (await store.counts())["requests"]


async def test_connections_that_went_while_nobody_used_them_are_made_anew(log: Store, schema: Schema) -> None:
    await log.record(a_record())
    writer, readers = await log.change(pid), {await log.read(pid) for _ in range(12)}
    await end(schema, writer, *readers)
    await log.record(a_record())
    assert await log.change(pid) != writer
    for _ in range(12):
        assert await requests(log) == 2


async def test_a_writer_that_is_ended_in_a_batch_refuses_it_and_goes_on(log: Store, schema: Schema) -> None:
    begun = asyncio.Event()
    loop, seen = asyncio.get_running_loop(), list[int]()

    def slow(db: Database) -> None:
        seen.append(pid(db))
        db.execute("INSERT INTO reservations VALUES ('a', 'run', 5, '2026-11-23T00:00:00.000000Z')")
        loop.call_soon_threadsafe(begun.set)
        db.execute(DELAY)

    async with asyncio.TaskGroup() as group:
        refused = group.create_task(told(log, slow))
        await begun.wait()
        waiting = [group.create_task(log.record(a_record())) for _ in range(5)]
        await end(schema, seen[0])
    assert "writing then goes on by itself" in refused.result()
    assert all(task.exception() is None for task in waiting)
    assert await requests(log) == 5
    assert (await log.counts())["reservations"] == 0


async def told(store: Store, change: Any) -> str:
    with pytest.raises(StoreError) as caught:
        await store.change(change)
    return str(caught.value)


async def test_while_another_holds_the_lock_records_are_refused(log: Store, schema: Schema) -> None:
    with locked(schema.url):
        with pytest.raises(StoreError, match="another process holds the write lock"):
            await log.record(a_record())
        assert await requests(log) == 0
    await log.record(a_record())
    assert await requests(log) == 1


async def test_rows_that_a_deadlock_undid_are_written_anew(log: Store, schema: Schema) -> None:
    """A trigger stands in for the other side: the server ends the first transaction as it ends one in a deadlock."""
    own = schema.name
    await services.execute(
        schema.server,
        f"CREATE SEQUENCE {own}.met",
        f"CREATE FUNCTION {own}.meet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF nextval('{own}.met') = 1 THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END IF; "
        "RETURN NEW; END $$",
        f"CREATE TRIGGER meet BEFORE INSERT ON {own}.requests FOR EACH ROW EXECUTE FUNCTION {own}.meet()",
    )
    await log.record(a_record())
    assert await requests(log) == 1


async def test_a_stale_plan_is_no_fault_of_who_asks(log: Store, schema: Schema) -> None:
    ask = "SELECT * FROM requests LIMIT 1"
    await log.record(a_record())
    for _ in range(8):  # every reader has prepared it
        await log.read(lambda db: db.execute(ask).fetchall())
    await services.execute(schema.server, f"ALTER TABLE {schema.name}.requests ADD COLUMN fresh TEXT")
    for _ in range(8):
        assert len(await log.read(lambda db: db.execute(ask).fetchall())) == 1


async def test_a_commit_that_undid_is_told(log: Store, schema: Schema) -> None:
    db = open_writer(schema.url)
    try:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServerFault):
            db.execute("SELECT * FROM nowhere")
        with pytest.raises(ServerFault, match="all was undone"):
            db.execute("COMMIT")
        assert not db.conn.in_transaction
    finally:
        db.close()


async def test_a_text_too_long_for_an_index_fails_alone(log: Store) -> None:
    noise = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(9000))
    records = [a_record(), a_record(request=a_request(conversation=noise)), a_record()]
    done = await asyncio.gather(*map(log.record, records), return_exceptions=True)  # noqa: TID251 - all are awaited
    assert [one is None for one in done] == [True, False, True]
    assert "the row was refused: index row" in str(done[1])


async def test_what_does_not_fit_fails_alone_among_many_rows(log: Store) -> None:
    """Many rows go by COPY, which refuses all of them."""
    record = a_record()
    many = [replace(record.calls[0], id=CallId(an_id())) for _ in range(60)]
    huge = a_record()
    huge = replace(huge, calls=(*(replace(c, request=huge.request.id) for c in many), huge.calls[0]))
    odd = replace(huge.calls[0], usage=Usage(nano_usd=2**64), id=CallId(an_id()))
    twice = a_record()
    twice = replace(
        twice, calls=(*(replace(c, request=twice.request.id) for c in many), replace(many[0], request=twice.request.id))
    )
    records = [record, replace(huge, calls=(*huge.calls, odd)), twice, a_record()]
    done = await asyncio.gather(*map(log.record, records), return_exceptions=True)  # noqa: TID251 - all are awaited
    assert [one is None for one in done] == [True, False, False, True]
    assert all("the row was refused: " in str(one) for one in done[1:3])
    assert await requests(log) == 2
    await log.record(huge)
    assert (await log.counts())["calls"] == 10 + 61


async def test_upserts_of_many_rows_tell_how_many_they_changed(log: Store) -> None:
    def change(db: Database) -> list[int]:
        row = "INSERT INTO reservations VALUES (?, 'run', 5, '2026') ON CONFLICT (id) DO NOTHING"
        first = db.conn.executemany(row, [("a",), ("b",)]).rowcount
        again = db.conn.executemany(row, [("b",), ("c",), ("c",)]).rowcount
        gone = db.conn.executemany("DELETE FROM reservations WHERE id = ?", [("a",), ("nobody",)]).rowcount
        return [first, again, gone]

    assert await log.change(change) == [2, 1, 1]


async def test_whoever_waits_too_long_leaves_a_connection_of_no_harm(schema: Schema) -> None:
    loop = Loop()
    try:
        engine = PostgresEngine(address_of(schema.url), busy_s=1.0)
        engine.prepare()
        db = connected(loop, engine.address, busy_s=1.0, reader=False)
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(ServerFault, match="did not answer in time"):
            loop.run(db._connection.execute(DELAY), 0.1)
        db.close()
        with locked(schema.url):  # its lock has gone with it
            pass
    finally:
        loop.close()
    with pytest.raises(ServerFault, match="has been closed"):
        loop.run(asyncio.sleep(0))


async def test_labels_that_nobody_finished_end_with_the_log(schema: Schema) -> None:
    store = await open_store(schema.url)
    for _ in range(2):
        await store.record(a_record())
    labels = store.labels()
    next(labels)
    await store.close()
    labels.close()  # type: ignore[attr-defined]


async def test_a_schema_of_another_program(schema: Schema) -> None:
    name = schema.name
    await services.execute(schema.server, f"CREATE SCHEMA {name}", f"CREATE TABLE {name}.responses (id int)")
    with pytest.raises(StoreError, match=r"belongs to another program; name another one with \?schema="):
        await open_store(schema.url)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"user": "nobody_here:s3cret"}, "the server does not let this user in"),
        ({"database": "no_such_database"}, "there is no such database; make it with createdb"),
        ({"port": True}, "the server cannot be reached"),
    ],
)
async def test_a_wrong_address_is_told_without_its_password(change: dict[str, Any], sentence: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    parts = urlsplit(services.postgres_url())
    host = f"127.0.0.1:{port if 'port' in change else parts.port or 5432}"
    user = change.get("user", f"{parts.username or 'root'}:s3cret")
    with pytest.raises(StoreError) as caught:
        await open_store(f"postgresql://{user}@{host}/{change.get('database', parts.path[1:])}")
    assert sentence in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "***" in str(caught.value)


NEXT: Step = (
    "0019_made_up",
    "ALTER TABLE requests ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm'; CREATE TABLE moods (id TEXT PRIMARY KEY);",
    True,
)


def upgrade(schema: Schema, *more: Step) -> None:
    """What the next release does when it opens the log, from a thread."""
    db = open_writer(schema.url, busy_s=20.0)
    try:
        migrate(db, address_of(schema.url), [*_steps(), *more])  # type: ignore[arg-type]
    finally:
        db.close()


async def test_an_upgrade_under_load_loses_and_refuses_nothing(schema: Schema) -> None:
    store = await open_store(schema.url, busy_s=10.0)
    stop, reached, kept, goal = asyncio.Event(), asyncio.Event(), list[str](), [20]

    async def write() -> None:
        while not stop.is_set():
            record = a_record()
            await store.record(record)
            kept.append(record.request.id)
            if len(kept) >= goal[0]:
                reached.set()
            await store.record_late(a_late(record))
            assert await store.request(record.request.id)

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(write())
        await reached.wait()
        await asyncio.to_thread(upgrade, schema, NEXT)
        reached.clear()
        goal[0] = len(kept) + 40
        await reached.wait()
        stop.set()
    old = await open_store(schema.url)  # the release before opens it, too
    assert await requests(old) == len(kept) == await requests(store)
    moods = await old.read(lambda db: db.execute("SELECT count(*) FROM requests WHERE mood = 'calm'").fetchone())
    assert moods == (len(kept),)
    await old.close()
    await store.close()


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ((("0019_breaks", "ALTER TABLE requests DROP COLUMN reason", False),), "0019_breaks"),
        ((NEXT, ("0020_more", "CREATE TABLE more (id TEXT PRIMARY KEY)", True)), "0020_more"),
    ],
)
async def test_a_release_that_cannot_go_on_says_so(log: Store, schema: Schema, steps: Any, named: str) -> None:
    await asyncio.to_thread(from_the_future, schema.url, *(name for name, _, _ in steps))
    with pytest.raises(StoreError, match=rf"a newer version of this program wrote it .*{named}"):
        await open_store(schema.url)


async def test_the_release_before_goes_on_beside_the_newest_step(schema: Schema) -> None:
    """What it marked compatible: step 18 gives the view `labels` columns more."""
    *before, newest = _steps()
    record, address = a_record(), address_of(schema.url)

    def open_as_before(*, write: bool = False) -> None:
        loop = Loop()
        with closing(loop), closing(connected(loop, address, busy_s=20.0, reader=False)) as db:
            migrate(db, address, before)
            if write:
                with transaction(db):
                    write_rows(db, [rows_of(record)])

    await asyncio.to_thread(open_as_before, write=True)
    store = await open_store(schema.url)
    assert [label.request for label in store.labels()] == [record.request.id]
    found = await store.read(lambda db: db.execute("SELECT judged, set_aside FROM labels").fetchall())
    assert found == [(None, "{}")]
    await asyncio.to_thread(open_as_before)
    assert newest[0] in await store.read(
        lambda db: {row[0] for row in db.execute("SELECT name FROM _sqlite_migrations")}
    )
    await store.close()


async def test_many_open_a_new_log_at_once(schema: Schema) -> None:
    async with asyncio.TaskGroup() as group:
        opening = [group.create_task(open_store(schema.url, busy_s=20.0)) for _ in range(4)]
    stores = [task.result() for task in opening]
    for store in stores:
        await store.record(a_record())
    assert await requests(stores[0]) == 4
    for store in stores:
        await store.close()


async def test_a_step_that_fails_leaves_nothing(log: Store, schema: Schema) -> None:
    broken: Step = ("0019_broken", "CREATE TABLE half (id TEXT PRIMARY KEY); SELECT * FROM nowhere;", True)
    with pytest.raises(ServerFault, match="nowhere"):
        await asyncio.to_thread(upgrade, schema, broken)
    assert "half" not in await log.read(lambda db: db.table_names())
    await asyncio.to_thread(upgrade, schema, NEXT)  # its lock has gone, too


QUIET = st.sampled_from(
    ["'a ? :b ''c'' IS ? NOT INDEXED'", '"d ? :e"', "-- ? :f\n", "/* ? :g */", "h::text", "1", "i", "'::j'"]
)


@given(st.lists(st.one_of(QUIET, st.just("?")), max_size=12))
def test_only_marks_outside_of_texts_are_parameters(pieces: list[str]) -> None:
    statement = translate(f"SELECT {' , '.join(pieces)}")
    assert statement.count == pieces.count("?")
    numbers = iter(range(1, 99))
    assert statement.text == f"SELECT {' , '.join(f'${next(numbers)}' if p == '?' else p for p in pieces)}"


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=8))
def test_a_name_stands_for_one_value_wherever_it_is(names: list[str]) -> None:
    statement = translate("SELECT " + ", ".join(f":{name}" for name in names))
    values = statement.values({"a": 1, "b": 2, "c": 3})
    told = [int(mark.strip(" $")) for mark in statement.text.removeprefix("SELECT ").split(",")]
    assert [values[n - 1] for n in told] == [ord(name) - ord("a") + 1 for name in names]


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT * FROM (SELECT 1) WHERE 1", "SELECT * FROM (SELECT 1) AS _s10 WHERE 1"),
        ("SELECT * FROM (SELECT 1) x", "SELECT * FROM (SELECT 1) x"),
        ("SELECT ?2, ?1", "SELECT $2, $1"),
        ("SELECT a IS NOT ? FROM t NOT INDEXED", "SELECT a IS DISTINCT FROM $1 FROM t "),
        ("INSERT OR IGNORE INTO t VALUES (?);", "INSERT INTO t VALUES ($1) ON CONFLICT DO NOTHING"),
    ],
)
def test_the_grammar_of_the_server(sql: str, text: str) -> None:
    assert translate(sql).text == text


async def test_a_statement_may_begin_with_a_subquery(log: Store) -> None:
    await log.record(a_record())
    sql = "WITH found AS (SELECT id FROM requests WHERE id > :after) SELECT count(*) FROM found"
    assert await log.read(lambda db: db.execute(sql, {"after": ""}).fetchone()) == (1,)
    sql = "WITH gone AS (SELECT id FROM requests) DELETE FROM requests WHERE id IN (SELECT id FROM gone)"
    assert await log.change(lambda db: db.execute(sql).rowcount) == 1
