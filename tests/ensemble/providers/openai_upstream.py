"""What the tests of this wire format share."""

import json
from typing import Any

import pytest

from ensemble.errors import CallFailed
from ensemble.provider import Connection, Delta
from ensemble.providers.openai import OpenAI
from judges.types import (
    Completion,
    Message,
    Prompt,
)
from tests.ensemble.providers.conftest import Upstream

KEY = "sk-test-0123456789abcdef"


def a_reply(**changes: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Paris.", **changes.pop("message", {})}
    choice = {"index": 0, "message": message, "finish_reason": "stop", **changes.pop("choice", {})}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "small-2026-01-01",
        "system_fingerprint": "fp_1",
        "choices": [choice],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
        **changes,
    }


def a_chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "model": "small-2026-01-01",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def event(data: object) -> bytes:
    return b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


USAGE = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}}
DONE = event(b"[DONE]")


def a_prompt(text: str = "Capital of France?", **changes: Any) -> Prompt:
    return Prompt(**{"messages": (Message(role="user", content=text),), **changes})


def a_provider(upstream: Upstream, **options: Any) -> OpenAI:
    return OpenAI.model_validate({"base_url": f"{upstream.url}/v1", "transport": upstream.transport, **options})


async def answer_of(upstream: Upstream, **options: Any) -> tuple[Completion, dict[str, Any]]:
    """The completion of a plain prompt, and the body that went out for it."""
    upstream.says(a_reply())
    prompt = options.pop("prompt", a_prompt())
    async with a_provider(upstream, **options).connect() as opened:
        completion = await opened.complete("small", prompt)
    return completion, upstream.received[-1].body


async def failure_of(connection: Connection) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        await connection.complete("small", a_prompt())
    return caught.value


async def streamed(connection: Connection) -> tuple[list[Delta], Completion]:
    items = [item async for item in connection.stream("small", a_prompt())]
    last = items.pop()
    assert isinstance(last, Completion)
    return [item for item in items if isinstance(item, Delta)], last


async def stream_failure(connection: Connection) -> tuple[str, CallFailed]:
    text = ""
    try:
        async for item in connection.stream("small", a_prompt()):
            text += item.text
    except CallFailed as failed:
        return text, failed
    pytest.fail(f"the stream did not fail, it said {text!r}")
