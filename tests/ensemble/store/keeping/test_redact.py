"""Redaction in place: the address is in no byte any more, the rest of each text is."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ensemble.redaction import Redactor
from ensemble.store import Store
from ensemble.store.address import address_of
from ensemble.store.examples import examples_of
from ensemble.store.feedback import Remark, Statement, add
from ensemble.store.idempotency import Claim, claim
from ensemble.store.keeping.checks import checks, files_of
from ensemble.store.keeping.connect import reading, writing
from ensemble.store.keeping.erase import Scope
from ensemble.store.keeping.redact import redact
from ensemble.store.keeping.search import search
from ensemble.store.keeping.spilled import beside
from ensemble.store.queries import request
from ensemble.store.rows import prompt_hash, rows_of
from ensemble.upkeep import index
from judges.types import Message, Prompt, TokenLogprob
from tests.ensemble.store.builders import NOON, a_record, a_request, said

pytestmark = pytest.mark.both

ADDRESS = "ann.planted@example.org"


async def test_an_address_leaves_every_place(store: Store, path: Path) -> None:
    record = a_record(request=a_request(f"write to {ADDRESS} please"), verdict={"reason": f"it names {ADDRESS}"})
    answer = said(f"I wrote to {ADDRESS}", logprobs=(TokenLogprob(token="ann.planted", logprob=-1.0, top=()),))
    calls = tuple(replace(c, completion=answer) if c.purpose == "candidate" else c for c in record.calls)
    await store.record(replace(record, calls=calls))
    other = a_record(request=a_request("nothing personal"))
    await store.record(other)
    await index(store)
    with writing(path) as db:
        assert redact(db, path, Scope(where="TRUE"), Redactor())[:2] == (2, 1)
        assert redact(db, path, Scope(where="TRUE"), Redactor())[:2] == (2, 0)
    assert not [file for file in files_of(path) if b"ann.planted" in file.read_bytes()]
    with reading(path) as db:
        tree = request(db, record.request.id)
        same = request(db, other.request.id)
        assert [hit["where"] for hit in search(db, "please", 9)] == ["prompt"]
        assert search(db, "planted", 9) == []
        assert checks(db, path) == []
        (example,) = examples_of(db, [record.request.id])
        assert (example.messages[0].text, example.label.best) == ("write to [email] please", frozenset({"small"}))
    assert tree is not None
    assert same is not None
    assert tree["content"] == "redacted"
    assert same["content"] == "kept"
    assert tree["candidates"][0]["text"] == "I wrote to [email]"  # type: ignore[index]
    assert tree["candidates"][0]["logprobs"] is None  # type: ignore[index]
    now = Prompt(messages=(Message(role="user", content="write to [email] please"),))
    assert tree["prompt_hash"] == prompt_hash(now)


async def test_an_address_leaves_what_stands_beside_the_texts_too(store: Store, path: Path) -> None:
    asked = replace(a_request("hello", conversation="talk", tags={"from": ADDRESS}), user=ADDRESS)
    await store.record(a_record(request=asked))
    await store.record(a_record(request=a_request("and then?", conversation="talk")))
    remark = Remark(kind="tag", name="odd", text=f"ask {ADDRESS}")
    said_of = Statement(remarks=(remark,), given_by="ann", source="api", conversation="talk")
    await store.change(lambda db: add(db, said_of))
    with writing(path) as db:
        db.execute("UPDATE calls SET key = 'hash of what was asked' WHERE request_id = ?", [asked.id])
        assert redact(db, path, Scope(where="TRUE"), Redactor())[:2] == (2, 1)
        assert redact(db, path, Scope(where="TRUE"), Redactor())[:2] == (2, 0)
        assert db.execute("SELECT text FROM feedback").fetchall() == [("ask [email]",)]
        assert db.execute("SELECT count(*) FROM calls WHERE key IS NOT NULL").fetchone() == (0,)
        row = db.execute("SELECT end_user, tags FROM requests WHERE id = ?", [asked.id]).fetchone()
    assert row == ("[email]", '{"from":"[email]"}')
    assert not [file for file in files_of(path) if b"ann.planted" in file.read_bytes()]


async def test_the_hash_of_a_body_behind_an_idempotency_key_goes(store: Store, path: Path) -> None:
    asked = a_request(f"write to {ADDRESS}", idempotency_key="order-1")
    await store.record(a_record(request=asked))
    claimed, hour = Claim(owner="", key="order-1", body_hash="d" * 64), timedelta(hours=1)
    await store.change(lambda db: claim(db, claimed, NOON, NOON + hour, NOON - hour))
    with writing(path) as db:
        assert redact(db, path, Scope(ids=(asked.id,)), Redactor())[:2] == (1, 1)
        assert db.execute("SELECT count(*) FROM idempotency").fetchone() == (0,)


async def test_what_was_spilled_is_redacted_too(store: Store, path: Path) -> None:
    record = a_record(request=a_request(f"write to {ADDRESS} please"))
    beside(path).append(rows_of(record))
    with writing(path) as db:
        done = redact(db, path, Scope(ids=(record.request.id,)), Redactor())
    assert (done.requests, done.changed, done.spilled, done.left) == (1, 1, 1, ())
    assert not [file for file in files_of(path) if b"ann.planted" in file.read_bytes()]


async def test_files_that_still_hold_it_are_told(store: Store, path: Path) -> None:
    """Rejected rows belong to no request, and what was kept aside is no whole record: nobody is to guess in there."""
    await store.record(a_record(request=a_request("nothing personal")))
    rows = [{"line": n, "reason": "no", "row": json.dumps({"prompt": text})} for n, text in enumerate(("hm", ADDRESS))]
    bad, fine = (address_of(path).beside(f".rejects-{name}.jsonl") for name in ("bad", "fine"))
    bad.write_text("".join(json.dumps(row) + "\n" for row in rows))
    fine.write_text(json.dumps(rows[0]) + "\n")
    beside(path).keep_aside(f'{{"v": 9, "said": "{ADDRESS}'.encode(), "a test")
    before = bad.read_bytes(), beside(path).aside.read_bytes()
    with writing(path) as db:
        done = redact(db, path, Scope(where="TRUE"), Redactor())
        assert done.left == (str(bad), str(beside(path).aside))
        assert redact(db, path, Scope(where="TRUE"), Redactor(kinds=("card",))).left == ()
    assert (bad.read_bytes(), beside(path).aside.read_bytes()) == before


@pytest.mark.sqlite("a server makes no copies of a file")
async def test_a_copy_from_before_a_migration_is_told(store: Store, path: Path) -> None:
    asked = a_request(f"write to {ADDRESS} please")
    await store.record(a_record(request=asked))
    copy = path.with_name(f"{path.name}.schema-1")
    with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(copy)) as to:
        db.backup(to)
    with writing(path) as db:
        for changed in (1, 0):  # told again as long as it is there
            done = redact(db, path, Scope(ids=(asked.id,)), Redactor())
            assert (done.changed, done.left) == (changed, (str(copy),))
