"""Whether a prompt fits a member, and what of it the member may see."""

import json
from typing import Literal, NamedTuple

from ensemble.errors import CallFailed
from ensemble.provider import Connection, Demanding, Selective
from ensemble.types import Failure
from judges.quick import replace
from judges.types import FilePart, ImagePart, Message, OpaquePart, Prompt

CONVERSATION = "messages"
"""Stands among ``Unfit.parameters`` where the conversation itself cannot be sent."""
Capability = Literal["tools", "images", "files", "json_schema", "logprobs", "stream"]


class Unfit(NamedTuple):
    """Why a prompt is not worth sending; ``parameters`` are what would not be sent, where it is about that."""

    failure: Failure
    told: str
    parameters: tuple[str, ...] = ()


def not_taken(connection: Connection, prompt: Prompt, member: str) -> Unfit | None:
    """What of ``prompt`` would not be sent to ``member``, or None where all of it would."""
    try:
        names = connection.dropped(prompt) if isinstance(connection, Selective) else ()
    except CallFailed as failed:
        return Unfit(failed.failure, str(failed))
    if not names:
        return None
    told = f"strict_params: {member} does not take {', '.join(names)}, which the request states"
    return Unfit("skipped", told, names)


def unanswerable(connection: Connection, prompt: Prompt) -> Unfit | None:
    """What ``prompt`` lacks to be answered over ``connection``, or None."""
    last = prompt.messages[-1] if prompt.messages else None
    if last is not None and last.role == "user" and isinstance(last.content, str) and last.content.strip():
        return None  # nearly always, and for less than the question costs
    told = connection.unsaid(prompt) if isinstance(connection, Demanding) else None
    return None if told is None else Unfit("rejected", told, (CONVERSATION,))


def estimate_tokens(prompt: Prompt) -> int:
    """Roughly how many tokens ``prompt`` has: a quarter of its UTF-8 bytes, which is near the mean for English text.

    It reserves a share of the rate limit, keeps hopeless requests from being sent and says what an answer will cost; no
    cost in the ledger is computed from it.
    """
    size = 0
    for message in prompt.messages:
        text = message.text
        size += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        for call in message.tool_calls:
            size += len(call.arguments)
    size += len(json.dumps(list(prompt.tools), default=str)) if prompt.tools else 0
    return size // 4 + 4 * len(prompt.messages)


def is_text(prompt: Prompt) -> bool:
    """Whether ``prompt`` is text alone, so that its size tells its tokens: images and files are billed otherwise."""
    for message in prompt.messages:
        content = message.content
        if not isinstance(content, str) and any(isinstance(part, ImagePart | FilePart) for part in content):
            return False
    return True


def needs(prompt: Prompt) -> set[Capability]:
    """What a member must be able to do to answer ``prompt``."""
    parts = [part for message in prompt.messages if not isinstance(message.content, str) for part in message.content]
    asked: dict[Capability, bool] = {
        "tools": bool(prompt.tools),
        "images": any(isinstance(part, ImagePart) for part in parts),
        "files": any(isinstance(part, FilePart) for part in parts),
        "json_schema": prompt.response_format is not None and prompt.response_format.type == "json_schema",
        "logprobs": prompt.top_logprobs is not None,
    }
    return {capability for capability, wanted in asked.items() if wanted}


def without_foreign_state(messages: tuple[Message, ...], owner: str) -> tuple[tuple[Message, ...], bool]:
    """``messages`` without provider state of others than ``owner``, and whether there was any; else they themselves."""
    for message in messages:
        if not isinstance(message.content, str):
            break
    else:
        return messages, False
    kept, removed = [], False
    for message in messages:
        if isinstance(message.content, tuple):
            own = tuple(p for p in message.content if not isinstance(p, OpaquePart) or p.origin == owner)
            removed = removed or len(own) < len(message.content)
            message = replace(message, content=own)
        kept.append(message)
    return (tuple(kept) if removed else messages), removed
