"""Ids of tool calls, told apart where a server did not, and made over for a wire format that is strict about them."""

import hashlib
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from uuid_utils import uuid4

from judges.types import Message, ToolCall


def told_apart(calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
    """``calls`` with new ids where one is empty or a repetition: results could not be matched to them."""
    seen: set[str] = set()
    apart = []
    for call in calls:
        if not call.id or call.id in seen:
            call = replace(call, id=f"call_{uuid4().hex}")
        seen.add(call.id)
        apart.append(call)
    return tuple(apart)


def portable(messages: tuple[Message, ...], fits: re.Pattern[str]) -> Iterable[Message]:
    """``messages`` with ids that match ``fits``, none used for two calls; calls and their results stay together.

    Members of different formats take turns in one conversation, and each makes ids of its own: too long for the next,
    with signs that it refuses, or counted from 0 in every turn. A new id depends on the old one and its place alone, so
    a conversation that goes on begins with the same bytes and stays in the provider's cache.
    """
    for message in messages:
        if message.tool_calls or message.tool_call_id is not None:
            return _portable(messages, fits)
    return messages


def _portable(messages: tuple[Message, ...], fits: re.Pattern[str]) -> Iterator[Message]:
    used: set[str] = set()
    waiting: dict[str, deque[str]] = {}
    for message in messages:
        if message.tool_calls:
            waiting = {}
            calls = []
            for call in message.tool_calls:
                id_ = call.id if fits.fullmatch(call.id) and call.id not in used else _made(call.id, len(used))
                used.add(id_)
                waiting.setdefault(call.id, deque()).append(id_)
                calls.append(replace(call, id=id_))
            message = replace(message, tool_calls=tuple(calls))
        if (told := message.tool_call_id) is not None and message.role == "tool":
            queue = waiting.get(told)
            message = replace(message, tool_call_id=queue.popleft() if queue else _made(told, len(used)))
        yield message


def _made(id_: str, place: int) -> str:
    digest = hashlib.sha256(f"{place}\0{id_}".encode("utf-8", "surrogatepass"))
    return f"call_{digest.hexdigest()[:32]}"
