"""Sums, plans of queries, arbitrary texts, and a stranger's eyes on the file."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from datasette.app import Datasette  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings

from ensemble.store import Store, open_store
from ensemble.store.database import Database
from ensemble.store.filling import held
from ensemble.store.keeping.connect import writing
from ensemble.types import RequestId
from judges.types import Message, Prompt, Usage
from tests.ensemble.store.builders import NOON, a_call, a_late, a_record, a_request, an_id, said
from tests.ensemble.store.test_content import texts


async def fill(store: Store) -> None:
    """Two days, two routers, failures, fallbacks, unknown costs, late calls that overturn."""
    for number in range(12):
        request = a_request(model=("panel", "cheap")[number % 2], arrived_at=NOON + timedelta(hours=number * 3))
        record = a_record(request=request, ruling={"fallback": "member_order" if number % 3 == 0 else None})
        failed = a_call(request.id, failure="timeout", usage=Usage(), started_at=request.arrived_at)
        record = replace(record, calls=(*record.calls, failed), status="failed" if number == 5 else "answered")
        await store.record(record)
        if number % 4 == 0:
            await store.record_late(a_late(record, wins=number != 8))


async def test_the_daily_calls_are_the_sums_of_the_calls(store: Store, db: Database) -> None:
    await fill(store)
    sums = db.execute(
        "SELECT substr(c.started_at, 1, 10), r.model, c.member, c.purpose, count(*), count(c.failure), "
        "coalesce(sum(c.nano_usd), 0), sum(c.nano_usd IS NULL) "
        "FROM calls c JOIN requests r ON r.id = c.request_id GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
    ).fetchall()
    daily = db.execute("SELECT * FROM daily_calls ORDER BY day, router, member, purpose").fetchall()
    assert daily == sums
    assert len(daily) > 8
    total = await store.ledger_total()
    assert total.nano_usd == sum(row[6] for row in daily)
    assert total.unpriced == sum(row[7] for row in daily) == 12


async def test_the_daily_requests_are_the_sums_of_the_requests(store: Store, db: Database) -> None:
    await fill(store)
    sums = db.execute(
        "SELECT substr(arrived_at, 1, 10), model, count(*), sum(status = 'answered'), sum(status = 'failed'), "
        "sum(status = 'cancelled'), count(fallback), "
        "sum(EXISTS (SELECT 1 FROM verdicts v WHERE v.request_id = requests.id AND v.overturned = 1)), sum(answered_s) "
        "FROM requests GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()
    daily = db.execute("SELECT * FROM daily_requests ORDER BY day, router").fetchall()
    assert daily == sums
    assert sum(row[7] for row in daily) == 2


async def test_a_record_that_fails_is_not_summed(store: Store, db: Database) -> None:
    record = a_record()
    outcomes = [store.record(record), store.record(record), store.record(a_record())]
    results = [await asyncio.wait({asyncio.ensure_future(o)}) for o in outcomes]  # noqa: TID251 - awaited here
    assert [next(iter(done)).exception() is None for done, _ in results] == [True, False, True]
    assert db.execute("SELECT sum(requests) FROM daily_requests").fetchone() == (2,)
    assert db.execute("SELECT sum(calls) FROM daily_calls").fetchone() == (10,)


async def test_a_request_takes_its_rows_with_it(store: Store, path: Path) -> None:
    record = a_record()
    await store.record(record)
    await store.record_late(a_late(record))
    with writing(path) as editor:
        editor.execute("DELETE FROM requests WHERE id = ?", [record.request.id])
    left = {table: count for table, count in (await store.counts()).items() if count}
    assert left.keys() - {"audit_stale"} == {"daily_calls", "daily_requests"}


@pytest.mark.sqlite("about plans of SQLite")
@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("SELECT * FROM requests ORDER BY arrived_at DESC, id DESC LIMIT 20", "requests_arrived"),
        ("SELECT * FROM requests WHERE arrived_at >= '2026' AND arrived_at < '2027'", "requests_arrived"),
        ("SELECT * FROM requests WHERE conversation = 'c' ORDER BY id", "requests_conversation"),
        ("SELECT * FROM requests WHERE key_id = 'k' ORDER BY id DESC LIMIT 20", "requests_key"),
        ("SELECT request_id FROM audit_members WHERE member = 'm' ORDER BY request_id DESC", "audit_members_member"),
        ("SELECT * FROM calls WHERE request_id = 'r'", "sqlite_autoindex_calls_1"),
        ("SELECT * FROM verdicts WHERE request_id = 'r'", "verdicts_request"),
        ("SELECT * FROM labels WHERE request_id = 'r'", "sqlite_autoindex_requests_1"),
        ("SELECT * FROM labels ORDER BY arrived_at, request_id", "requests_arrived"),
        ("DELETE FROM requests WHERE id = 'r'", "sqlite_autoindex_requests_1"),
    ],
)
async def test_what_is_asked_often_has_an_index(store: Store, db: Database, sql: str, index: str) -> None:
    db.execute("PRAGMA foreign_keys = OFF")  # what goes with a request is few rows, or has its own test
    plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert any(index in step for step in plan), plan
    outer = [step for step in plan if step.startswith("SCAN") and index not in step]
    assert not [step for step in outer if "(subquery" not in step], plan
    # Groups inside one request may be sorted; a whole table never is.
    assert plan.count("USE TEMP B-TREE FOR ORDER BY") <= ("labels" in sql) * 5, plan


@pytest.mark.sqlite("about plans of SQLite")
async def test_prompts_are_found_by_their_hash_and_not_by_reading_the_table(store: Store, db: Database) -> None:
    """A labelling run asks this for every few hundred prompts of millions."""
    asked: list[str] = []
    db.conn.set_trace_callback(asked.append)
    held(db, ["a", "b"])
    db.conn.set_trace_callback(None)
    plan = [row[3] for sql in asked for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert plan
    assert all("requests_prompt" in step for step in plan), plan


@pytest.mark.sqlite("what datasette reads")
async def test_datasette_opens_the_log_as_it_is(store: Store, path: Path) -> None:
    record = a_record()
    await store.record(record)
    ds = Datasette([str(path)])
    try:
        for page in ("", "/requests", f"/requests/{record.request.id}", "/labels", "/verdicts", "/scores"):
            reply = await ds.client.get(f"/ensemble{page}")
            assert reply.status_code == 200, page
        reply = await ds.client.get("/ensemble/labels.json?_shape=array")
        assert [(row["request_id"], row["best"]) for row in reply.json()] == [(record.request.id, '["small"]')]
        await store.record(a_record())
        reply = await ds.client.get("/ensemble/requests.json")
        assert reply.json()["filtered_table_rows_count"] == 2
    finally:
        for database in ds.databases.values():
            database.close()
        ds.executor.shutdown()


async def test_no_table_has_a_name_of_the_llm_tool(store: Store) -> None:
    theirs = {"responses", "conversations", "attachments", "prompt_attachments", "embeddings", "collections", "tools",
              "schemas", "fragments", "fragment_aliases", "prompt_fragments", "tool_calls", "tool_results"}  # fmt: skip
    assert not theirs & set(await store.counts())


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, texts, texts)
def test_any_text_comes_back_from_the_file(path: Path, asked: str, answered: str, raw: str) -> None:
    async def there_and_back() -> None:
        store = await open_store(path)
        request = a_request(prompt=Prompt(messages=(Message(role="user", content=asked),)), conversation=asked)
        call = a_call(request.id, completion=said(answered, model=raw))
        assert call.candidate is not None
        record = a_record(request=request, verdict={"reason": raw})
        record = replace(record, calls=(*record.calls, call), authors={**record.authors, call.candidate: "odd"})
        await store.record(record)
        tree = await store.request(request.id)
        label = next(label for label in store.labels() if label.request == request.id)
        await store.close()
        assert tree is not None
        assert tree["messages"] == [{"role": "user", "content": asked}]
        assert isinstance(tree["candidates"], list)
        assert [c["text"] for c in tree["candidates"] if c["member"] == "odd"] == [answered]
        assert isinstance(tree["verdicts"], list)
        assert tree["verdicts"][0]["reason"] == raw
        assert (label.messages[0].content, label.conversation) == (asked, asked)

    asyncio.run(there_and_back())


async def test_many_questions_at_once(store: Store) -> None:
    records = [a_record() for _ in range(20)]
    for record in records:
        await store.record(record)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(store.request(record.request.id)) for record in records for _ in range(5)]
        nobody = group.create_task(store.request(RequestId(an_id())))
    assert all(task.result() for task in asked)
    assert nobody.result() is None
