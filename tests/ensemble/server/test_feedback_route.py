"""Feedback over HTTP, and what it makes of labels."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from ensemble.store.notebook import read
from tests.served import Served


async def asked(served: Served) -> dict[str, Any]:
    status, reply, _ = await served.post()
    assert status == 200
    return await served.record(reply["id"].removeprefix("chatcmpl-"))


async def say(served: Served, headers: dict[str, str] | None = None, **body: Any) -> tuple[int, Any]:
    told = {"Content-Type": "application/json", **(headers or {})}
    url = f"{served.url}/ensemble/feedback"
    async with served.http.post(url, data=json.dumps(body).encode(), headers=told) as reply:
        return reply.status, await reply.json()


def rows(served: Served, *columns: str) -> list[tuple[Any, ...]]:
    log = read(served.service.settings.store.path)
    return [tuple(getattr(row, column) for column in columns) for row in log.feedback()]


@pytest.mark.parametrize("prefix", ["", "chatcmpl-", "msg_"])
async def test_the_id_may_be_that_of_a_reply_in_any_dialect(served: Served, prefix: str) -> None:
    record = await asked(served)
    status, reply = await say(served, request_id=prefix + record["id"], rating=True)
    assert (status, reply["request_id"]) == (201, record["id"])


async def test_everything_that_can_be_said(served: Served) -> None:
    record = await asked(served)
    ids = {one["member"]: one["id"] for one in record["candidates"]}
    status, reply = await say(
        served,
        request_id=f"chatcmpl-{record['id']}",
        preferred="beta",
        rating=True,
        candidate=ids["gamma"],
        correction="42",
        comment="shorter",
        tags=["math", "math", "short"],
        metrics={"reopened": False, "minutes": 2.5},
        given_by="ann",
        at="2026-11-24T10:00:00+02:00",
    )
    assert (status, reply["rows"], reply["created"], reply["request_id"]) == (201, 7, True, record["id"])
    assert rows(served, "kind", "candidate_id", "name", "value", "text") == [
        ("preferred", ids["beta"], None, None, "shorter"),
        ("rating", ids["gamma"], None, 1.0, None),
        ("correction", ids["gamma"], None, None, "42"),
        ("tag", None, "math", None, None),
        ("tag", None, "short", None, None),
        ("metric", None, "reopened", 0.0, None),
        ("metric", None, "minutes", 2.5, None),
    ]
    (about,) = set(rows(served, "request_id", "given_by", "source"))
    assert about == (record["id"], "ann", "api")
    (moment,) = set(rows(served, "created_at"))
    assert moment[0].isoformat() == "2026-11-24T08:00:00+00:00"


async def test_people_outrank_the_judge_in_labels(served: Served) -> None:
    record = await asked(served)
    loser = next(one["member"] for one in record["candidates"] if one["id"] != record["chosen"])
    await say(served, request_id=record["id"], preferred=loser, given_by="ann")
    (label,) = served.service.store.labels(people="first")
    assert (label.best, label.source, label.by) == (frozenset({loser}), "human", "ann")


@pytest.mark.parametrize("in_header", [True, False])
async def test_what_is_sent_twice_is_stored_once(served: Served, in_header: bool) -> None:
    record = await asked(served)
    key: dict[str, Any] = {"headers": {"Idempotency-Key": "k1"}} if in_header else {"idempotency_key": "k1"}
    first = await say(served, request_id=record["id"], rating=0.5, tags=["a"], **key)
    again = await say(served, request_id=record["id"], rating=0.5, tags=["a"], **key)
    assert (first[0], again[0]) == (201, 200)
    assert first[1] == again[1] | {"created": True}
    for other in ({"rating": 0.25, "tags": ["a"]}, {"rating": 0.5}, {"rating": 0.5, "tags": ["a", "b"]}):
        status, reply = await say(served, request_id=record["id"], **other, **key)
        assert (status, reply["error"]["param"], reply["error"]["code"]) == (409, "idempotency_key", "conflict")
    assert len(rows(served, "id")) == 2
    status, _ = await say(served, request_id=record["id"], rating=0.25, given_by="bob", **key)
    assert status == 201  # keys are a sender's own


async def test_metrics_of_a_conversation_come_later(served: Served) -> None:
    record = await asked(served)
    path = served.service.settings.store.path
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE requests SET conversation = 'c1' WHERE id = ?", [record["id"]])
        db.commit()
    assert (await say(served, conversation="c1", metrics={"solved": True}))[0] == 201
    assert rows(served, "conversation", "request_id", "name", "value") == [("c1", None, "solved", 1.0)]
    status, reply = await say(served, conversation="c2", metrics={"solved": True})
    assert (status, reply["error"]["param"]) == (404, "conversation")


BAD: list[tuple[dict[str, Any], int, str, str]] = [
    ({"rating": 1.5}, 400, "rating", "less than or equal to 1"),
    ({"rating": "good"}, 400, "rating", "valid"),
    ({"preferred": "delta"}, 400, "preferred", "members that answered: alpha, beta, gamma"),
    ({"preferred": "beta", "tie": True}, 400, "tie", "contradicts preferred"),
    ({"candidate": "beta", "tie": True}, 400, "candidate", "named in preferred"),
    ({"comment": "nice"}, 400, "comment", "goes with"),
    ({}, 400, "preferred", "nothing is said"),
    ({"ratting": 1}, 400, "ratting", "did you mean 'rating'"),
    ({"conversation": "c1", "tie": True}, 400, "request_id", "either"),
    ({"request_id": "nowhere", "tie": True}, 404, "request_id", "no request 'nowhere'"),
    ({"tags": ["x"] * 51}, 400, "tags", "at most 50"),
    ({"tags": [""]}, 400, "tags", "at least 1"),
    ({"metrics": {"m": None}}, 400, "metrics", "valid"),
    ({"correction": "x" * 100_001}, 413, "", "max_body_bytes"),
    ({"at": "2026-11-24T10:00:00", "tie": True}, 400, "at", "timezone"),
]


@pytest.mark.parametrize(("body", "code", "param", "told"), BAD, ids=lambda one: None)
async def test_what_is_wrong_is_named(served: Served, body: dict[str, Any], code: int, param: str, told: str) -> None:
    record = await asked(served)
    status, reply = await say(served, **{"request_id": record["id"], **body})
    assert status == code, reply
    assert told in reply["error"]["message"]
    assert (reply["error"]["param"] or "") == param
    assert rows(served, "id") == []


async def test_what_is_no_json(served: Served) -> None:
    url = f"{served.url}/ensemble/feedback"
    for data, kind, code in (
        (b"{", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"[1]", "application/json", 400),
    ):
        async with served.http.post(url, data=data, headers={"Content-Type": kind}) as reply:
            assert reply.status == code
            assert (await reply.json())["error"]["message"]
