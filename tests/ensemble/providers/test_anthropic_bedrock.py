"""Anthropic's models at Amazon Bedrock, by a Bedrock key: its addresses, its body, its binary streams."""

import base64
import binascii
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ensemble.errors import CallFailed
from ensemble.provider import PROVIDERS, Connection
from ensemble.providers._http import Transport
from ensemble.providers.anthropic_bedrock import AnthropicBedrock
from judges.errors import InvalidOptions
from judges.types import Completion, Message, Prompt
from tests.ensemble.providers.conftest import Upstream

KEY = "bedrock-key-0123456789"
FRAMES = {"content-type": "application/vnd.amazon.eventstream"}
PROMPT = Prompt(
    messages=(Message(role="user", content="Capital of France?"),),
    max_output_tokens=9,
    options={"temperature": 0.5},
)
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "content": [{"type": "text", "text": "Paris."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 11, "output_tokens": 3},
}
EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Paris."}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {}},
)


def frame(payload: bytes, **headers: str) -> bytes:
    head = b"\x05extra\x02\x07"  # a header of another type, to be passed over
    for name, value in headers.items():
        wire = b":" + name.replace("_", "-").encode()
        head += bytes([len(wire)]) + wire + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    body = prelude + struct.pack(">I", binascii.crc32(prelude)) + head + payload
    return body + struct.pack(">I", binascii.crc32(body))


def chunk(event: object) -> bytes:
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abc"})
    return frame(payload.encode(), event_type="chunk", message_type="event")


def a_provider(upstream: Upstream, **options: Any) -> AnthropicBedrock:
    return AnthropicBedrock.model_validate(
        {"region": "us-east-1", "base_url": upstream.url, "api_key_env": "TEST_KEY", **options}
    )


@pytest.fixture
def transport() -> Transport:
    """Clouds are reached by their SDK alone, since it signs."""
    return "sdk"


@pytest.fixture
async def connection(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Custom: 1\nAuthorization: Bearer custom")
    monkeypatch.setenv("ANTHROPIC_BEDROCK_BASE_URL", "http://127.0.0.1:9")
    async with a_provider(upstream).connect() as opened:
        yield opened


async def streamed(connection: Connection) -> Completion:
    items = [item async for item in connection.stream("anthropic.small-v1:0", PROMPT)]
    last = items[-1]
    assert isinstance(last, Completion)
    return last


async def test_the_model_stands_in_the_address(upstream: Upstream, connection: Connection) -> None:
    upstream.says(MESSAGE, headers={"x-amzn-requestid": "req_1"})
    said = await connection.complete("anthropic.small-v1:0", PROMPT)
    assert (said.text, said.dropped) == ("Paris.", ("temperature",))
    received = upstream.received[0]
    assert received.path == "/model/anthropic.small-v1:0/invoke"
    assert received.body == {
        "anthropic_version": "2026-10-21",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Capital of France?"}]}],
    }
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert "x-custom" not in received.headers
    assert said.provider_request_id == "req_1"


async def test_an_older_version_takes_sampling(
    upstream: Upstream, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.says(MESSAGE)
    async with a_provider(upstream, api_version="bedrock-2023-05-31").connect() as opened:
        said = await opened.complete("old", PROMPT)
    assert said.dropped == ()
    body = upstream.received[0].body
    assert (body["anthropic_version"], body["temperature"]) == ("bedrock-2023-05-31", 0.5)


async def test_a_stream_of_frames(upstream: Upstream, connection: Connection) -> None:
    wire = b"".join(map(chunk, EVENTS))
    upstream.streams(wire[:7], *(bytes([byte]) for byte in wire[7:100]), wire[100:], headers=FRAMES)
    said = await streamed(connection)
    assert (said.text, said.finish_reason, said.usage.output_tokens) == ("Paris.", "stop", 3)
    assert upstream.received[0].path == "/model/anthropic.small-v1:0/invoke-with-response-stream"


@pytest.mark.parametrize(
    ("last", "failure", "retryable"),
    [
        (
            frame(b'{"message": "Too many"}', exception_type="throttlingException", message_type="exception"),
            "rate_limited",
            True,
        ),
        (frame(b"", error_code="internalServerException", error_message="x", message_type="error"), "overloaded", True),
        (b"", "cut_stream", True),
        (chunk(EVENTS[2])[:-9], "cut_stream", True),
        (chunk(EVENTS[2])[:-1] + b"\0", "bad_reply", True),
        (b"\0" * 16, "bad_reply", True),
        (frame(b"no JSON", event_type="chunk", message_type="event"), "bad_reply", True),
    ],
    ids=["exception", "error", "early end", "half a frame", "wrong checksum", "no frame", "no event"],
)
async def test_a_stream_that_breaks_off(
    upstream: Upstream, connection: Connection, last: bytes, failure: str, retryable: bool
) -> None:
    upstream.streams(*map(chunk, EVENTS[:3]), last, headers=FRAMES)
    with pytest.raises(CallFailed) as caught:
        await streamed(connection)
    failed = caught.value
    assert (failed.failure, failed.retryable) == (failure, retryable)
    assert failed.completion is not None
    assert (failed.completion.text, failed.completion.usage.input_tokens) == ("Paris.", 11)


async def test_an_error_before_the_answer(upstream: Upstream, connection: Connection) -> None:
    upstream.says({"message": f"The key {KEY} is wrong"}, status=403)
    with pytest.raises(CallFailed) as caught:
        await connection.complete("anthropic.small-v1:0", PROMPT)
    assert (caught.value.failure, caught.value.http_status) == ("unauthorized", 403)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "mend"),
    [
        ({"access_key_env": "A"}, "go together"),
        ({"access_key_env": "A", "secret_key_env": "B", "profile": "c"}, "give one of"),
        ({"region": "http://evil/"}, "pattern"),
    ],
)
def test_wrong_options_say_what_to_do(options: dict[str, object], mend: str) -> None:
    with pytest.raises(InvalidOptions, match=mend):
        PROVIDERS.build({"use": "anthropic_bedrock", "region": "us-east-1", **options})
