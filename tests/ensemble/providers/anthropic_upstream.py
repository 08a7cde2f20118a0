"""What the tests of this wire format share."""

import json
from typing import Any

from ensemble.provider import Connection, Delta
from ensemble.providers.anthropic import Anthropic
from judges.types import (
    Completion,
    Message,
    Prompt,
)
from tests.ensemble.providers.conftest import Upstream

KEY = "sk-ant-0123456789abcdef"
TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}, "strict": True},
}


def a_message(*content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "balanced-2026",
        "content": list(content) or [{"type": "text", "text": "Paris."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 11, "output_tokens": 3},
        **changes,
    }


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def start(**changes: Any) -> bytes:
    return event("message_start", message={**a_message(stop_reason=None), "content": [], **changes})


def block(index: int, head: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    pieces = [event("content_block_start", index=index, content_block=head)]
    pieces += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
    return b"".join([*pieces, event("content_block_stop", index=index)])


def end(reason: str = "end_turn", **usage: Any) -> bytes:
    usage = {"output_tokens": 3, **usage}
    return event("message_delta", delta={"stop_reason": reason}, usage=usage) + event("message_stop")


def a_prompt(text: str = "Capital of France?", **changes: Any) -> Prompt:
    return Prompt(**{"messages": (Message(role="user", content=text),), "max_output_tokens": 100, **changes})


def a_provider(upstream: Upstream, **options: Any) -> Anthropic:
    return Anthropic.model_validate({"base_url": upstream.url, "transport": upstream.transport, **options})


async def sent_for(upstream: Upstream, prompt: Prompt, **options: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body that goes out for ``prompt``, and what is recorded as dropped."""
    upstream.says(a_message())
    async with a_provider(upstream, **options).connect() as opened:
        completion = await opened.complete("balanced", prompt)
    return upstream.received[-1].body, completion.dropped


async def streamed(connection: Connection) -> tuple[list[Delta], Completion]:
    items = [item async for item in connection.stream("balanced", a_prompt())]
    last = items.pop()
    assert isinstance(last, Completion)
    return [item for item in items if isinstance(item, Delta)], last
