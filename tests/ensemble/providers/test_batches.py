"""Calls in bulk over both protocols: the providers' own SDKs against the simulator, and against hostile replies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from ensemble.batch import BatchConnection, BatchState
from ensemble.errors import CallFailed
from ensemble.provider import PROVIDERS, Connection
from ensemble.simulator import Simulator, SimulatorSettings, fault, reply, status
from judges.types import Completion, Message, Prompt
from tests.ensemble.providers.conftest import Upstream

LONG_AGO = datetime.now(UTC) - timedelta(hours=1)


@asynccontextmanager
async def at(kind: str, url: str, **options: Any) -> AsyncIterator[Any]:
    async with PROVIDERS.build({"use": kind, "base_url": url, **options}).connect() as connection:
        yield connection


@pytest.fixture(params=["openai", "anthropic"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def url_of(sim: Simulator, kind: str) -> str:
    return sim.base_url if kind == "openai" else sim.anthropic_url


def ask(text: str) -> Prompt:
    return Prompt(messages=(Message(role="user", content=text),), max_output_tokens=100)


async def hand_over(connection: BatchConnection, *names: str, model: str = "small") -> str:
    return await connection.submit_batch("mine", [connection.batch_item(n, model, ask(f"Tell {n}.")) for n in names])


async def fetch(connection: BatchConnection, id_: str) -> dict[str, Completion | CallFailed]:
    return {name: said async for name, said in connection.batch_results(id_)}


async def test_a_reply_of_a_batch_is_the_reply_that_comes_online(kind: str) -> None:
    async with Simulator() as sim, at(kind, url_of(sim, kind)) as connection:
        assert isinstance(connection, BatchConnection)
        id_ = await hand_over(connection, "a", "b", "c")
        assert (await connection.batch_state(id_)).ended
        came = await fetch(connection, id_)
        assert set(came) == {"a", "b", "c"}
        for name, said in came.items():
            alone: Any = connection
            online = await alone.complete("small", ask(f"Tell {name}."))
            assert isinstance(said, Completion)
            assert (said.text, said.finish_reason, said.usage) == (online.text, online.finish_reason, online.usage)
            assert said.text
        assert {served.wire for served in sim.served} == {f"{kind}-batch", kind}


async def test_items_fail_one_by_one_and_say_whether_that_is_billed(kind: str) -> None:
    async with Simulator() as sim, at(kind, url_of(sim, kind)) as connection:
        steps = [reply("good"), fault("silence"), status(429), status(400)]
        sim.script("small", steps)
        id_ = await hand_over(connection, "a", "b", "c", "d")
        state = await connection.batch_state(id_)
        came = await fetch(connection, id_)
        told = {n: (s.failure, s.retryable) for n, s in came.items() if isinstance(s, CallFailed)}
        assert told == {"b": ("timeout", True), "c": ("rate_limited", True), "d": ("rejected", False)}
        expired: Any = came["b"]
        assert not expired.sent
        good: Any = came["a"]
        assert good.text == "good"
        assert state.rest is not None


async def test_a_cancelled_batch_ends_without_answers(kind: str) -> None:
    async with Simulator(SimulatorSettings(batch_s=3600)) as sim, at(kind, url_of(sim, kind)) as connection:
        id_ = await hand_over(connection, "a")
        assert not (await connection.batch_state(id_)).ended
        await connection.cancel_batch(id_)
        state: BatchState = await connection.batch_state(id_)
        assert state.ended
        came = await fetch(connection, id_)
        said: Any = came.get("a", state.rest)
        assert (said.failure, said.sent) == ("cancelled", False)


async def test_a_batch_that_was_taken_is_found_again(kind: str) -> None:
    async with Simulator() as sim, at(kind, url_of(sim, kind)) as connection:
        other = await connection.submit_batch("other", [connection.batch_item("x", "small", ask("x"))])
        id_ = await hand_over(connection, "a", "b")
        for batch in (other, id_):
            await connection.batch_state(batch)
        assert (await connection.find_batch("mine", {"a", "b"}, LONG_AGO, {other})).id == id_
        assert (await connection.find_batch("theirs", {"c", "d"}, LONG_AGO, set())) == (None, False)


async def test_anthropic_cannot_tell_before_the_end() -> None:
    async with (
        Simulator(SimulatorSettings(batch_s=3600)) as sim,
        at("anthropic", sim.anthropic_url) as connection,
    ):
        await hand_over(connection, "a", "b")
        assert (await connection.find_batch("mine", {"a", "b"}, LONG_AGO, set())).undecided
        assert not (await connection.find_batch("mine", {"a"}, LONG_AGO, set())).undecided


async def test_openai_says_why_a_whole_batch_is_not_taken() -> None:
    async with Simulator() as sim, at("openai", sim.base_url) as connection:
        id_ = await hand_over(connection, "a", "a")
        state = await connection.batch_state(id_)
        assert (state.rest.failure, state.rest.sent) == ("rejected", False)
        assert "custom_id of its own" in str(state.rest)
        assert await fetch(connection, id_) == {}


async def test_a_wrong_key_is_a_typed_failure(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRONG", "wrong-key")
    async with (
        Simulator(SimulatorSettings(api_key="right")) as sim,
        at(kind, url_of(sim, kind), api_key_env="WRONG") as connection,
    ):
        with pytest.raises(CallFailed) as caught:
            await hand_over(connection, "a")
        assert (caught.value.failure, caught.value.retryable) == ("unauthorized", False)
        assert "wrong-key" not in str(caught.value)


@pytest.mark.parametrize("body", [b"<html>", b"null", b"[]", b"{}", b'{"id": 7}', b"{"])
async def test_what_is_no_batch_is_a_bad_reply(kind: str, body: bytes, upstream: Upstream) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"content-type": "application/json"})

    upstream.answer = answer
    async with at(kind, upstream.url) as connection:
        with pytest.raises(CallFailed) as caught:
            await connection.submit_batch("mine", [] if kind == "openai" else [b"{}"])
        assert caught.value.failure == "bad_reply"


LINES = b"\n".join(
    [
        b"nonsense",
        b"[]",
        b'{"custom_id": 7}',
        b'{"custom_id": "a"}',
        b'{"custom_id": "b", "response": {"status_code": 200, "body": {"choices": 3}}, "result": {"type": "succeeded"'
        b"}}",
        b'{"custom_id": "long", "x": "' + b"x" * 5000 + b'"}',
        b'{"custom_id": "c", "response": {"status_code": 500, "body": null}, "result": {"type": "errored", "error": 1'
        b"}}",
    ]
)


async def test_results_that_cannot_be_read_are_failures_or_left_out(kind: str, upstream: Upstream) -> None:
    paths: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        paths.append(request.raw_path)
        if request.path.endswith(("content", "results")):
            return web.Response(body=LINES)
        return web.json_response({"status": "completed", "output_file_id": "../evil?"})

    upstream.answer = answer
    async with at(kind, upstream.url, max_body_bytes=2000) as connection:
        came = await fetch(connection, "../../x")
        assert set(came) == {"a", "b", "c"}
        assert {n: s for n, s in came.items() if not isinstance(s, CallFailed)} == {}
    assert paths
    assert all("/../" not in path for path in paths)


async def test_clouds_and_scripted_members_take_no_batches() -> None:
    from tests.ensemble.doubles import Scripted

    plain: Connection = Scripted(["x"])
    assert not isinstance(plain, BatchConnection)
