"""Events reach a receiver that fails at first, signed, once taken never again, and a restart loses none of them."""

import asyncio
import base64
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from openai import OpenAI

from ensemble.simulator.script import reply
from ensemble.webhooks import delivering
from tests.patience import PATIENCE_S
from tests.served import SERVER, Served, serving
from tests.stories.test_high_stakes import QUEUE, house, send

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes, no").decode()


@dataclass
class Receiver:
    """Takes what comes, after it has answered ``statuses``."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    came: list[tuple[dict[str, str], str]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    hang: asyncio.Event | None = None

    async def take(self, request: web.Request) -> web.Response:
        body = await request.text()
        async with self.changed:
            self.came.append((dict(request.headers), body))
            self.changed.notify_all()
        if self.hang is not None:
            await self.hang.wait()
        code = self.statuses.pop(0) if self.statuses else 204
        return web.Response(status=code, headers={"location": "/elsewhere"} if code == 302 else {})

    async def lured(self, request: web.Request) -> web.Response:
        """Where a redirect leads; it takes everything, so that whoever follows believes to have delivered."""
        return web.Response(status=200)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: len(self.came) >= count)

    def events(self) -> list[Any]:
        return [json.loads(body) for _, body in self.came]


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    monkeypatch.setattr(delivering, "EVERY_S", 0.02)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    app.router.add_route("*", "/elsewhere", receiver.lured)
    async with TestServer(app) as server:
        receiver.url = str(server.make_url("/hook"))
        yield receiver


def tables(receiver: Receiver, more: str = "", *, judge: str = 'judge = "same"') -> str:
    trusted = house("review").replace('judge = "same"', judge, 1)
    if "longest" in judge:
        trusted = trusted.replace("min_score = 0.9", "min_confidence = 0.9")
    hooks = f'\n[webhooks]\nurl = "{receiver.url}"\nsecret_env = "HOOK_SECRET"\nretry_s = 0.02\n{more}\n'
    return trusted + SERVER + hooks


async def outbox(served: Served, done: Callable[[list[Any]], bool]) -> list[Any]:
    """Rows of the outbox, once they are as wanted."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            rows = await served.service.store.read(lambda db: list(db.query("SELECT * FROM outbox ORDER BY id")))
            if done(rows):
                return rows
            await asyncio.sleep(0.02)


def holding(folder: Path, text: str) -> list[str]:
    """Files of the log that hold ``text``."""
    return [file.name for file in folder.glob("ensemble.db*") if text.encode() in file.read_bytes()]


def all_delivered(rows: list[Any]) -> bool:
    return bool(rows) and all(row["delivered_at"] for row in rows)


async def test_an_event_is_signed_and_sent_until_it_is_taken(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = [500, 500, 302]
    with caplog.at_level(logging.DEBUG):
        async with serving(tmp_path, tables(receiver)) as served:
            _, _, headers = await served.post()
            await receiver.until(4)
            (row,) = await outbox(served, all_delivered)
    assert (row["attempts"], row["next_at"], row["problem"]) == (4, None, None)
    assert len(receiver.came) == 4, "once taken it is not sent again, and a redirect is not followed"
    assert len({got["webhook-id"] for got, _ in receiver.came}) == 1
    for got, body in receiver.came:
        # The official client checks signatures of Standard Webhooks, and that they are fresh.
        OpenAI(api_key="none").webhooks.verify_signature(body, got, secret=SECRET)
    told = receiver.events()[-1]
    assert told["type"] == "review.created"
    assert told["data"]["request_id"] == headers["x-ensemble-request-id"]
    assert told["data"]["router"] == "panel"
    assert told["data"]["reason"].startswith("min_score 0.9: the score of the answer is")
    assert "sky" not in receiver.came[-1][1], "no text of the request"
    assert SECRET.removeprefix("whsec_") not in caplog.text
    assert receiver.url not in caplog.text
    assert not holding(tmp_path, SECRET.removeprefix("whsec_"))


async def test_what_is_given_up_stays_so_and_what_nobody_wants_waits(receiver: Receiver, tmp_path: Path) -> None:
    receiver.statuses = [500]
    async with serving(tmp_path, tables(receiver, "attempts = 1")) as served:
        _, _, first = await served.post()
        await outbox(served, lambda rows: bool(rows) and rows[0]["next_at"] is None)
    async with serving(tmp_path, tables(receiver, 'events = ["answer.overturned"]')) as served:
        _, _, second = await served.post()
        assert not all_delivered(await outbox(served, lambda rows: len(rows) == 2))
    assert len(receiver.came) == 1, "the second event is not among those that are sent"
    async with serving(tmp_path, tables(receiver)) as served:
        await receiver.until(2)
        rows = await outbox(served, lambda rows: bool(rows[1]["delivered_at"]))
    told = [event["data"]["request_id"] for event in receiver.events()]
    assert told == [first["x-ensemble-request-id"], second["x-ensemble-request-id"]]
    assert (rows[0]["problem"], rows[0]["delivered_at"]) == ("status 500", None)


async def test_a_restart_in_between_loses_nothing(receiver: Receiver, tmp_path: Path) -> None:
    receiver.statuses = [500] * 3
    async with serving(tmp_path, tables(receiver)) as served:
        _, _, headers = await served.post()
        await receiver.until(1)
    async with serving(tmp_path, tables(receiver)) as served:
        (row,) = await outbox(served, all_delivered)
    assert receiver.events()[-1]["data"]["request_id"] == headers["x-ensemble-request-id"]
    assert row["attempts"] >= 4


async def test_what_grows_too_old_is_given_up_and_told(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One that the receiver refused for days, and one that was never tried, since nobody ran."""
    receiver.statuses = [500] * 3
    async with serving(tmp_path, tables(receiver).replace("retry_s = 0.02", "retry_s = 3600")) as served:
        await served.post()
        (row,) = await outbox(served, lambda rows: bool(rows) and rows[0]["problem"] is not None)
    with closing(sqlite3.connect(tmp_path / "ensemble.db")) as db, db:
        old = "2020-01-01T00:00:00.000000Z"
        db.execute("UPDATE outbox SET created_at = ?, next_at = ?", [old, old])
        db.execute(
            "INSERT INTO outbox (id, kind, created_at, body, attempts, next_at) "
            "SELECT 'msg_2', kind, created_at, body, 0, next_at FROM outbox"
        )
    async with serving(tmp_path, tables(receiver)) as served:
        rows = await outbox(served, lambda rows: all(one["next_at"] is None for one in rows))
    assert [one["problem"] for one in rows] == ["status 500", "too old"]
    assert len(receiver.came) == 1
    told = [line for line in caplog.messages if "given up" in line]
    assert told == [
        f"webhook {row['id']}: status 500; it is given up after 3 days",
        "webhooks: 1 event of more than 3 days ago, never sent, given up",
    ]


async def test_an_overturned_answer_and_a_decision_are_told(receiver: Receiver, tmp_path: Path) -> None:
    late = 'quorum = 1\nstraggler_s = 30\njudge = "longest"'
    async with serving(tmp_path, tables(receiver, judge=late)) as served:
        served.simulator.script("alpha", [reply("short")])
        gate = served.simulator.hold("beta", "something much longer")
        _, _, headers = await served.post()
        gate.set()
        await served.service.idle()
        id_ = headers["x-ensemble-request-id"]
        assert (await send(served, f"{QUEUE}/{id_}/decide", {"preferred": "beta", "given_by": "ann"}))[0] == 201
        await receiver.until(3)
        await outbox(served, all_delivered)
    events = {event["type"]: event["data"] for event in receiver.events()}
    assert set(events) == {"review.created", "answer.overturned", "review.decided"}
    assert {data["request_id"] for data in events.values()} == {id_}
    assert events["answer.overturned"]["reason"] == "the full panel's verdict names another winner"
    assert events["review.decided"]["finding"] == "preferred"


async def test_a_receiver_that_is_gone_is_left_alone(receiver: Receiver, tmp_path: Path) -> None:
    receiver.statuses = [410]
    async with serving(tmp_path, tables(receiver)) as served:
        await served.post()
        (row,) = await outbox(served, lambda rows: bool(rows) and rows[0]["next_at"] is None)
    assert (row["problem"], row["attempts"], row["delivered_at"]) == ("status 410", 1, None)


async def test_a_receiver_that_is_not_there_holds_up_no_answer(receiver: Receiver, tmp_path: Path) -> None:
    async with TestServer(web.Application()) as closed:
        receiver.url = str(closed.make_url("/hook"))
    async with serving(tmp_path, tables(receiver, "attempts = 2")) as served:
        assert (await served.post())[0] == 200
        (row,) = await outbox(served, lambda rows: bool(rows) and rows[0]["next_at"] is None)
    assert (row["attempts"], row["problem"]) == (2, "ClientConnectorError")


async def test_a_receiver_that_hangs_is_not_waited_for(receiver: Receiver, tmp_path: Path) -> None:
    receiver.hang = asyncio.Event()
    async with serving(tmp_path, tables(receiver, "attempts = 1\ntimeout_s = 0.05")) as served:
        await served.post()
        (row,) = await outbox(served, lambda rows: bool(rows) and rows[0]["next_at"] is None)
    receiver.hang.set()
    assert (row["attempts"], row["problem"]) == (1, "TimeoutError")
