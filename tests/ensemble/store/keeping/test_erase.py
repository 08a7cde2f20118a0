"""What is erased is in no byte of any file any more, and its numbers are where they were."""

import asyncio
import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ensemble.errors import StoreError
from ensemble.store import Store, open_store
from ensemble.store.address import address_of
from ensemble.store.database import is_sqlite
from ensemble.store.feedback import Remark, Statement, add
from ensemble.store.filling import DatasetRow, enter
from ensemble.store.idempotency import Claim, claim
from ensemble.store.keeping.checks import checks, files_of
from ensemble.store.keeping.connect import reading, writing
from ensemble.store.keeping.erase import Scope, erase, matching, prune
from ensemble.store.keeping.search import search
from ensemble.store.keeping.secrets import secret_places
from ensemble.store.keeping.spilled import beside
from ensemble.store.rows import rows_of
from ensemble.store.spill import Spill
from ensemble.upkeep import index
from ensemble.upkeep import prune as prune_slowly
from judges.types import TokenLogprob, ToolCall
from tests.ensemble.store.builders import NOON, a_call, a_late, a_record, a_request, said

pytestmark = pytest.mark.both

LATER = NOON + timedelta(hours=1)
SECRET = "plantedtext"
"""One word, so that search indexes hold it whole; it stands in every place that can hold a text."""


def planted(**request: Any) -> Any:
    """A record that says it everywhere."""
    asked = a_request(
        f"my {SECRET} is here", metadata={"note": SECRET}, reference=SECRET, **{"user": SECRET, **request}
    )
    asked = replace(asked, prompt=replace(asked.prompt, tools=({"name": SECRET},)))
    record = a_record(request=asked, verdict={"reason": f"{SECRET} wins"}, error_detail=SECRET)
    words = (TokenLogprob(token=SECRET, logprob=-1.0, top=()),)
    answers = said(f"I heard {SECRET}", logprobs=words, reasoning=({"signature": SECRET},),
                   tool_calls=(ToolCall(id="1", name="f", arguments=f'{{"a": "{SECRET}"}}'),))  # fmt: skip
    calls = tuple(replace(c, completion=answers) if c.purpose == "candidate" else c for c in record.calls)
    lost = a_call(asked.id, failure="bad_reply", completion=said(SECRET), detail=f"not JSON: {SECRET}")
    plan = replace(record.plan, reason=f"about {SECRET}") if record.plan else None
    (ruling,) = record.rulings
    exchanges = tuple(replace(e, text=SECRET, error=SECRET) for e in ruling.verdict.exchanges)
    first = next(iter(record.authors))
    ruling = replace(ruling, verdict=replace(ruling.verdict, exchanges=exchanges), set_aside={first: SECRET})
    return replace(record, calls=(*calls, lost), plan=plan, rulings=(ruling,))


def places(path: Path) -> list[str]:
    """Files beside the log that hold the text."""
    with reading(path) as db:
        found = [] if is_sqlite(db) else [one.text for one in secret_places(db, path, {"planted": SECRET[1:]})]
    return found + [file.name for file in files_of(path) if SECRET[1:].encode() in file.read_bytes()]


@pytest.fixture
async def log(store: Store, path: Path) -> Path:
    """A log with one request that says it and one that does not, indexed; the service has it open."""
    record = planted(conversation="chat-7", key_id="key-7")
    await store.record(record)
    await store.record(a_record(request=a_request("another question", conversation="chat-8")))
    row = DatasetRow(dataset="d", row_id="1", request=record.request.id, position=1, metadata={"note": SECRET})
    await store.change(lambda db: enter(db, [row]))
    await note(store, record.request.id)
    await index(store)
    address_of(path).beside(".rejects-d.jsonl").write_text(
        json.dumps({"line": 1, "row": json.dumps({"prompt": f"my {SECRET} is here"})}) + '\n{"line": 2, "row": "x"}\n'
    )
    return path


async def note(store: Store, request: str) -> None:
    remark = Remark(kind="correction", text=f"no, {SECRET}")
    statement = Statement(remarks=(remark,), given_by="ann", source="cli", request=request)
    await store.change(lambda db: add(db, statement))


def test_the_text_is_everywhere_before(log: Path) -> None:
    assert len(places(log)) >= 2


@pytest.mark.parametrize(
    "scope",
    [Scope(conversation="chat-7"), Scope(key="key-7"), Scope(where=f"messages LIKE '%{SECRET}%'")],
    ids=["conversation", "key", "where"],
)
async def test_no_byte_is_left_and_numbers_stay(log: Path, store: Store, scope: Scope) -> None:
    before = await store.counts(), await store.ledger_total()
    with writing(log) as db:
        done = erase(db, log, scope, "asked for")
    assert (done.requests, done.lines, len(done.ids)) == (1, 1, 1)
    assert places(log) == []
    assert (await store.counts()) == {**before[0], "tombstones": 1}
    assert await store.ledger_total() == before[1]
    with reading(log) as db:
        assert search(db, SECRET, 9) == []
        assert len(search(db, "another", 9)) == 1
        assert checks(db, log) == []
        (stone,) = db.query("SELECT * FROM tombstones")
        (gone,) = db.query("SELECT * FROM requests WHERE content = 'erased'")
    assert (stone["id"], stone["reason"], stone["requests"]) == (done.tombstone, "asked for", 1)
    assert json.loads(stone["numbers"]) == dict(done.numbers)
    assert done.numbers["calls"] == 6
    assert gone["status"] == "answered"
    assert gone["prompt_hash"] == ""
    again = await open_store(log)
    assert [label.usable for label in again.labels()] == [False, True]
    await again.close()


async def test_what_expiry_leaves_and_what_is_said_later_can_be_erased(log: Path, store: Store) -> None:
    """A short prompt can be guessed from its hash, an end user is a person, and a correction quotes."""
    scope = Scope(key="key-7")
    with writing(log) as db:
        assert prune(db, NOON + timedelta(days=1)) == 2
        (id_,) = matching(db, scope, erasing=True)
        assert erase(db, log, scope).ids == (id_,)
        row = db.execute("SELECT content, end_user, prompt_hash FROM requests WHERE id = ?", [id_]).fetchone()
        assert row == ("erased", None, "")
        assert matching(db, scope, erasing=True) == []
    await note(store, id_)
    with writing(log) as db:
        assert erase(db, log, scope).ids == (id_,)
        assert db.execute("SELECT count(*) FROM feedback WHERE text IS NOT NULL").fetchone() == (0,)
        assert [one for one in checks(db, log) if one.check != "rights"] == []


@pytest.mark.parametrize("scope", [Scope(key="key-7"), Scope(conversation="chat-7"), None])
async def test_what_is_said_of_a_conversation_goes_with_its_last_texts(
    log: Path, store: Store, scope: Scope | None
) -> None:
    await store.record(
        a_record(request=a_request("and then?", conversation="chat-7", key_id="key-8", arrived_at=LATER))
    )
    remark = Remark(kind="tag", name="odd", text=f"they speak of {SECRET}")
    statement = Statement(remarks=(remark,), given_by="ann", source="api", conversation="chat-7")
    await store.change(lambda db: add(db, statement))
    with writing(log) as db:
        if scope is None:
            prune(db, LATER)
        else:
            erase(db, log, scope)
        told = db.execute("SELECT text FROM feedback WHERE kind = 'tag'").fetchall()
        assert told == ([(None,)] if scope and scope.conversation else [(remark.text,)])
        if scope is None:
            prune(db, LATER + timedelta(seconds=1))
        else:
            erase(db, log, Scope(key="key-8"))
        assert db.execute("SELECT text FROM feedback WHERE kind = 'tag'").fetchall() == [(None,)]
    if scope is not None:
        assert places(log) == []


async def test_the_hash_of_the_body_that_an_idempotency_key_stands_for_goes_too(store: Store, path: Path) -> None:
    claims = [Claim(owner="key-7", key=key, body_hash="5e" * 32) for key in ("first", "second")]
    for one in claims:
        lease = NOON + timedelta(seconds=15)
        found = await store.change(partial(claim, wanted=one, now=NOON, lease_until=lease, since=NOON))
        assert found.state == "mine"
        asked = a_request("yes or no?", key_id="key-7", idempotency_key=one.key, conversation=one.key)
        await store.record(a_record(request=asked))
    with writing(path) as db:
        assert erase(db, path, Scope(conversation="first")).requests == 1
        assert db.execute("SELECT key FROM idempotency").fetchall() == [("second",)]


async def test_what_comes_late_to_an_erased_request_comes_without_texts(log: Path, store: Store) -> None:
    record = planted(conversation="chat-9")
    await store.record(record)
    with writing(log) as db:
        erase(db, log, Scope(conversation="chat-9"))
    late = a_late(record)
    await store.record_late(replace(late, calls=tuple(replace(c, detail=SECRET) for c in late.calls)))
    with reading(log) as db:
        (row,) = db.query("SELECT text FROM candidates WHERE member = 'slow'")
        assert row["text"] == ""
        assert db.execute("SELECT count(*) FROM calls WHERE detail <> ''").fetchone()[0] == 1  # the other request's


@pytest.mark.parametrize(
    "scope",
    [Scope(key="key-5"), Scope(where="key_id = 'key-5'"), Scope(conversation="chat-5")],
    ids=["key", "where", "conversation"],
)
async def test_what_is_only_spilled_is_matched_by_every_condition(log: Path, store: Store, scope: Scope) -> None:
    spill, elsewhere = beside(log), Spill(beside(log).path.parent / "other" / "spilled")
    elsewhere.path.parent.mkdir()
    spill.append(rows_of(planted(key_id="key-5", conversation="chat-5")))
    elsewhere.append(rows_of(planted(key_id="key-5", conversation="chat-5")))
    spill.append(rows_of(a_record(request=a_request("somebody else's"))))
    with writing(log) as db:
        done = erase(db, log, scope, spills=[spill, elsewhere])
    assert (done.requests, done.spilled, done.aside) == (2, 3, ())
    assert not [*spill.files, *elsewhere.files]
    assert (await store.counts())["requests"] == 5
    with reading(log) as db:
        assert search(db, SECRET, 9, ("requests",)) != []  # the one that was not meant
        kept = [row[0] for row in db.execute("SELECT content FROM requests ORDER BY rowid")]
    assert kept == ["kept", "kept", "erased", "kept", "erased"]


async def test_what_is_spilled_meanwhile_is_not_lost(log: Path, store: Store) -> None:
    """Every line holds what is erased, so that whoever rewrites the file by its texts would lose it."""
    late = [rows_of(planted(conversation="chat-7")) for _ in range(40)]
    started = threading.Event()

    def spilling() -> None:
        for rows in late:
            beside(log).append(rows)
            started.set()

    writer = threading.Thread(target=spilling)
    writer.start()
    started.wait()
    with writing(log) as db:
        while writer.is_alive():
            erase(db, log, Scope(conversation="chat-7"))
        erase(db, log, Scope(conversation="chat-7"))
    writer.join()
    assert beside(log).files == ()
    assert (await store.counts())["requests"] == 2 + len(late)
    assert places(log) == []


async def test_two_do_not_take_in_at_once(log: Path) -> None:
    spill = beside(log)
    again = await open_store(log, spill=spill.path)
    spill.append(rows_of(a_record()))
    with spill.held():
        with pytest.raises(BlockingIOError):
            next(beside(log).batches())
        await again.settle()
        assert spill.pending
    await again.close()
    assert spill.files == ()
    assert not spill.path.with_name(f"{spill.path.name}.lock").exists()


async def test_lines_kept_aside_go_by_what_they_hold_and_the_rest_is_told(log: Path) -> None:
    spill = beside(log)
    spill.keep_aside(b'{"v": 9, "key": "key-7"}', "a test")
    spill.keep_aside(b'{"v": 9, "key": "key-77"}', "a test")
    with writing(log) as db:
        done = erase(db, log, Scope(key="key-7"))
        assert (done.lines, done.aside) == (2, (str(spill.aside),))
        assert spill.aside.read_bytes() == b'{"v": 9, "key": "key-77"}\n'
        assert erase(db, log, Scope(key="key-77")).aside == ()


@pytest.mark.sqlite("a server makes no copies of a file")
async def test_a_copy_is_told_while_it_holds_what_was_erased(log: Path) -> None:
    copy = log.with_name(f"{log.name}.schema-6")
    with reading(log) as db, closing(sqlite3.connect(copy)) as target:
        db.conn.backup(target)
    with writing(log) as db:
        assert erase(db, log, Scope(key="nobody")).copies == ()
        assert erase(db, log, Scope(key="key-7")).copies == (str(copy),)
        assert erase(db, log, Scope(key="key-7")).copies == (str(copy),)  # told again as long as it is there
        with closing(sqlite3.connect(copy)) as target, target:
            target.execute("PRAGMA foreign_keys = OFF")
            target.execute("DELETE FROM requests")
        assert erase(db, log, Scope(key="key-7")).copies == ()
        copy.write_bytes(b"damaged")
        assert erase(db, log, Scope(key="key-7")).copies == (str(copy),)


async def test_nothing_meant_nothing_erased(log: Path) -> None:
    with writing(log) as db:
        with pytest.raises(StoreError, match="say which requests"):
            erase(db, log, Scope())
        with pytest.raises(StoreError, match="it is a condition on the columns of requests"):
            erase(db, log, Scope(where="no such"))
        assert erase(db, log, Scope(conversation="nobody")).tombstone is None


@pytest.mark.sqlite("its write-ahead log is one file")
async def test_a_reader_holds_the_write_ahead_log(log: Path) -> None:
    with reading(log) as reader, writing(log, busy_s=0.1) as db:
        assert reader.execute("SELECT count(*) FROM requests").fetchone() == (2,)
        with pytest.raises(StoreError, match="another connection reads; run this again"):
            erase(db, log, Scope(key="key-7"))


@pytest.mark.parametrize("slowly", [True, False])
async def test_old_texts_expire_and_hashes_stay(store: Store, path: Path, slowly: bool) -> None:
    old = [planted(arrived_at=NOON - timedelta(days=100, minutes=number)) for number in range(150)]
    async with asyncio.TaskGroup() as group:
        for record in [*old, planted()]:
            group.create_task(store.record(record))
    await index(store)
    limit = NOON - timedelta(days=90)
    if slowly:
        assert await prune_slowly(store, limit) == 150
        assert await prune_slowly(store, limit) == 0
    else:
        with writing(path) as db:
            assert prune(db, limit) == 150
            assert prune(db, limit) == 0
    with reading(path) as db:
        assert len(search(db, SECRET, 999, ("requests",))) == 1
        hashes = db.execute("SELECT content, count(DISTINCT prompt_hash) FROM requests GROUP BY 1").fetchall()
        assert hashes == [("expired", 1), ("kept", 1)]
        assert db.execute("SELECT count(*) FROM candidates WHERE text = ''").fetchone() == (450,)
        assert checks(db, path) == []


async def test_a_request_whose_router_keeps_no_content(store: Store, path: Path) -> None:
    record = replace(planted(user=None), keep=False)
    record = replace(record, request=replace(record.request, user=None))
    await store.record(record)
    assert places(path) == []
    with reading(path) as db:
        (row,) = db.query("SELECT content, length(prompt_hash) AS hash, member FROM requests")
        assert row == {"content": "off", "hash": 64, "member": "small"}
        assert db.execute("SELECT sum(nano_usd) FROM calls").fetchone()[0] > 0
