"""Both batch protocols, through the official SDKs."""

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import orjson
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from ensemble.simulator import Simulator, SimulatorSettings, fault, reply, status


@pytest.fixture
async def client(sim: Simulator) -> AsyncIterator[Any]:
    async with AsyncOpenAI(base_url=sim.base_url, api_key="any", max_retries=0) as opened:
        yield opened


@pytest.fixture
async def other(sim: Simulator) -> AsyncIterator[Any]:
    async with AsyncAnthropic(base_url=sim.anthropic_url, api_key="any", max_retries=0) as opened:
        yield opened


def line(name: str, url: str = "/v1/chat/completions", **more: object) -> bytes:
    body = {"model": "small", "messages": [{"role": "user", "content": "Hello"}], **more}
    return orjson.dumps({"custom_id": name, "method": "POST", "url": url, "body": body})


async def begin(client: Any, *lines: bytes) -> Any:
    file = await client.files.create(file=("tasks.jsonl", b"\n".join(lines)), purpose="batch")
    return await client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"run": "7"}
    )


async def test_openai_batch_from_file_to_results(sim: Simulator, client: Any) -> None:
    sim.script("small", [reply("first"), status(500), reply("third")])
    batch = await begin(client, line("a"), line("b"), line("c"))
    assert (batch.status, batch.request_counts.total, batch.metadata) == ("in_progress", 3, {"run": "7"})
    done = await client.batches.retrieve(batch.id)
    counts = done.request_counts
    assert (done.status, counts.completed, counts.failed) == ("completed", 2, 1)
    output = (await client.files.content(done.output_file_id)).text
    rows = {row["custom_id"]: row["response"] for row in map(orjson.loads, output.splitlines())}
    assert rows["a"]["body"]["choices"][0]["message"]["content"] == "first"
    assert rows["c"]["body"]["usage"]["completion_tokens"] == sim.served[2].completion_tokens == 1
    errors = [orjson.loads(row) for row in (await client.files.content(done.error_file_id)).text.splitlines()]
    assert [(row["custom_id"], row["response"]["status_code"]) for row in errors] == [("b", 500)]
    assert {served.wire for served in sim.served} == {"openai-batch"}
    assert (await client.batches.retrieve(batch.id)).output_file_id == done.output_file_id
    assert [each.id async for each in client.batches.list()] == [batch.id]
    assert (await client.files.retrieve(done.output_file_id)).purpose == "batch_output"
    assert (await client.files.delete(done.output_file_id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.files.content(done.output_file_id)


async def test_openai_batch_with_bad_lines_fails_whole(client: Any) -> None:
    batch = await begin(client, line("a"), line("a"), line("b", url="/v1/embeddings"), b"{")
    assert batch.status == "failed"
    assert [error.line for error in batch.errors.data] == [2, 3, 4]
    assert (await client.batches.retrieve(batch.id)).status == "failed"
    with pytest.raises(openai.BadRequestError):
        await client.batches.cancel(batch.id)


async def test_openai_batch_expires_and_is_cancelled(sim: Simulator, client: Any) -> None:
    sim.script("small", [fault("silence")])
    batch = await begin(client, line("a"), line("b"))
    done = await client.batches.retrieve(batch.id)
    assert (done.status, done.request_counts.completed) == ("expired", 1)
    text = (await client.files.content(done.error_file_id)).text
    assert orjson.loads(text)["error"]["code"] == "batch_expired"
    batch = await begin(client, line("a"))
    assert (await client.batches.cancel(batch.id)).status == "cancelling"
    done = await client.batches.retrieve(batch.id)
    assert (done.status, done.output_file_id) == ("cancelled", None)


async def test_openai_batch_refuses_what_it_cannot_do(client: Any) -> None:
    file = await client.files.create(file=("x.jsonl", line("a")), purpose="assistants")
    bad: list[dict[str, Any]] = [
        {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"},
        {"input_file_id": file.id, "endpoint": "/v1/responses", "completion_window": "24h"},
    ]
    for each in bad:
        with pytest.raises(openai.BadRequestError):
            await client.batches.create(**each)
    with pytest.raises(openai.NotFoundError):
        await client.batches.retrieve("batch_nobody")


def request(name: str, **more: object) -> dict[str, Any]:
    turns = [{"role": "user", "content": "Hello"}]
    return {"custom_id": name, "params": {"model": "birch-small", "max_tokens": 50, "messages": turns, **more}}


async def test_anthropic_batch_from_requests_to_results(sim: Simulator, other: Any) -> None:
    sim.script("birch-small", [reply("first"), status(529), fault("silence")])
    batches = other.messages.batches
    batch = await batches.create(requests=[request("a"), request("b"), request("c"), request("d", max_tokens=0)])
    assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 4)
    done = await batches.retrieve(batch.id)
    counts = done.request_counts
    assert (done.processing_status, counts.succeeded, counts.errored, counts.expired) == ("ended", 1, 2, 1)
    results = [row async for row in await batches.results(batch.id)]
    assert [row.custom_id for row in results] == ["d", "c", "b", "a"], "no order is promised"
    by_name = {row.custom_id: row.result for row in results}
    assert by_name["a"].message.content[0].text == "first"
    assert by_name["a"].message.usage.output_tokens == sim.served[0].completion_tokens
    assert by_name["b"].error.error.type == "overloaded_error"
    assert by_name["c"].type == "expired"
    assert [each.id async for each in batches.list()] == [batch.id]
    await batches.delete(batch.id)
    with pytest.raises(anthropic.NotFoundError):
        await batches.retrieve(batch.id)


async def test_anthropic_batch_takes_its_time_and_is_cancelled() -> None:
    async with (
        Simulator(SimulatorSettings(batch_s=3600)) as sim,
        AsyncAnthropic(base_url=sim.anthropic_url, api_key="any", max_retries=0) as other,
    ):
        batches: Any = other.messages.batches
        batch = await batches.create(requests=[request("a")])
        assert (await batches.retrieve(batch.id)).processing_status == "in_progress"
        with pytest.raises(anthropic.AnthropicError):
            await batches.results(batch.id)
        assert (await batches.cancel(batch.id)).processing_status == "canceling"
        done = await batches.retrieve(batch.id)
        assert (done.processing_status, done.request_counts.canceled) == ("ended", 1)
        with pytest.raises(anthropic.BadRequestError):
            await batches.cancel(batch.id)


async def test_anthropic_batch_refuses_bad_names(other: Any) -> None:
    for requests in ([], [request("a"), request("a")], [request("a b")]):
        with pytest.raises(anthropic.BadRequestError):
            await other.messages.batches.create(requests=requests)
