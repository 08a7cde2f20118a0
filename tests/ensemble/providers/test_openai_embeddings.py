"""OpenAI's embeddings: what is sent for texts, and what is made of a reply, however hostile."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ensemble.errors import CallFailed
from ensemble.provider import Connection, EmbeddingConnection
from judges.types import Usage
from tests.ensemble.providers.conftest import Upstream
from tests.ensemble.providers.openai_upstream import KEY, a_provider


def vectors(*rows: Any, **changes: Any) -> dict[str, Any]:
    data = [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)]
    return {
        "object": "list",
        "model": "emb-1",
        "data": data,
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    } | changes


@pytest.fixture
async def connection(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EmbeddingConnection]:
    monkeypatch.setenv("TEST_KEY", KEY)
    async with a_provider(upstream, api_key_env="TEST_KEY", max_body_bytes=20_000).connect() as opened:
        yield embedding(opened)


def embedding(connection: Connection) -> EmbeddingConnection:
    assert isinstance(connection, EmbeddingConnection)
    return connection


async def test_texts_become_vectors_in_their_order(upstream: Upstream, connection: EmbeddingConnection) -> None:
    reply = vectors([1, 0.5], [0, -1e-3])
    reply["data"].reverse()
    upstream.says(reply, headers={"x-request-id": "req_1"})
    found = await connection.embed("emb", ["a", "b\ud800"], {"dimensions": 2})
    received = upstream.received[0]
    assert received.path == "/v1/embeddings"
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.body == {"model": "emb", "input": ["a", "b\ufffd"], "dimensions": 2, "encoding_format": "float"}
    assert [list(row) for row in found.vectors] == [[1.0, 0.5], [0.0, -0.001]]
    assert found.usage == Usage(input_tokens=5, output_tokens=0)
    assert (found.model, found.provider_request_id) == ("emb-1", "req_1")


async def test_a_server_that_tells_no_usage(upstream: Upstream, connection: EmbeddingConnection) -> None:
    upstream.says(vectors([1.0], usage=None))
    found = await connection.embed("emb", ["a"], {})
    assert found.usage == Usage(input_tokens=None, output_tokens=0)


@pytest.mark.parametrize(
    "reply",
    [
        [],
        {},
        vectors(),
        vectors([1.0], [2.0]),
        vectors([]),
        vectors(["x"]),
        vectors([True]),
        vectors([10**400]),
        vectors("AACAPw=="),
        vectors(None),
        vectors([1.0]) | {"data": [{"index": 7, "embedding": [1.0]}]},
        vectors([1.0]) | {"data": "none"},
        b'{"data": [{"index": 0, "embedding": [NaN]}]}',
        b"<html>",
    ],
)
async def test_a_reply_that_is_no_vector_is_a_bad_reply(
    upstream: Upstream, connection: EmbeddingConnection, reply: object
) -> None:
    upstream.says(reply)
    with pytest.raises(CallFailed) as caught:
        await connection.embed("emb", ["a"], {})
    assert (caught.value.failure, caught.value.sent) == ("bad_reply", True)


async def test_vectors_of_two_lengths_are_a_bad_reply(upstream: Upstream, connection: EmbeddingConnection) -> None:
    upstream.says(vectors([1.0], [1.0, 2.0]))
    with pytest.raises(CallFailed, match="one length"):
        await connection.embed("emb", ["a", "b"], {})


async def test_statuses_and_errors_inside_mean_what_they_mean_elsewhere(
    upstream: Upstream, connection: EmbeddingConnection
) -> None:
    upstream.says({"error": {"message": f"slow down {KEY}"}}, status=429, headers={"retry-after": "3"})
    with pytest.raises(CallFailed) as caught:
        await connection.embed("emb", ["a"], {})
    assert (caught.value.failure, caught.value.retryable, caught.value.retry_after_s) == ("rate_limited", True, 3.0)
    assert KEY not in str(caught.value)
    upstream.says({"error": {"message": "no such model", "code": "model_not_found"}})
    with pytest.raises(CallFailed) as caught:
        await connection.embed("emb", ["a"], {})
    assert (caught.value.failure, caught.value.retryable) == ("rejected", False)


async def test_a_reply_longer_than_allowed_is_given_up(upstream: Upstream, connection: EmbeddingConnection) -> None:
    upstream.says(vectors([0.123456789] * 4000))
    with pytest.raises(CallFailed) as caught:
        await connection.embed("emb", ["a"], {})
    assert caught.value.failure == "oversized"
