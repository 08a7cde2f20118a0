"""Texts and JSON on their way into the database and back.

No engine takes every Python string: lone surrogates cannot be bound at all, and PostgreSQL refuses NUL. Both are
escaped by one private-use code point, ``U+10FFFD``: NUL becomes ``U+10FFFD 0``, a surrogate ``U+10FFFD d83d`` (its four
hex digits), and the code point itself is doubled. Reading undoes it, so nothing is lost, and other texts stay the same.

JSON has no NaN and no infinity: they are stored as the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``, never as
null, which means unknown.
"""

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, cast

import orjson

from judges.types import (
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    Prompt,
    ResponseFormat,
    TextPart,
    TokenLogprob,
    ToolCall,
)

ESCAPE = "\U0010fffd"
_UNSET: tuple[object, ...] = (None, (), {})
_OPTIONS = ("tools", "tool_choice", "response_format", "max_output_tokens", "stop", "seed", "top_logprobs", "options")
_options_of = attrgetter(*_OPTIONS)
_NO_OPTIONS = _options_of(Prompt(messages=()))
_UNSAFE = re.compile(f"[\x00\ud800-\udfff{ESCAPE}]")
_ESCAPED = re.compile(f"{ESCAPE}({ESCAPE}|0|d[89a-f][0-9a-f]{{2}})")


def stamp(moment: datetime) -> str:
    """``moment`` (aware) as UTC in 27 characters, ``2026-11-23T23:30:44.123456Z``: text order is time order.

    Raises:
        ValueError: ``moment`` is naive.
    """
    zone = moment.tzinfo
    if zone is None:
        raise ValueError(f"{moment} has no time zone")
    if zone is not UTC:
        moment = moment.astimezone(UTC)
    told = orjson.dumps(moment, option=orjson.OPT_UTC_Z)[1:-1].decode()  # a quarter of the price of ``isoformat``
    return told if len(told) == 27 else f"{told[:-1]}.000000Z"


def bind(text: str) -> str:
    """``text`` as every engine takes it."""
    if text.isascii():
        return _escape(text) if "\x00" in text else text
    if ESCAPE in text or "\x00" in text:
        return _escape(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        return _escape(text)
    return text


def bind_optional(text: str | None) -> str | None:
    """``bind``, where there is a text."""
    return None if text is None else bind(text)


def unbind(text: str) -> str:
    """The text that ``bind`` was given."""
    return _ESCAPED.sub(_original, text) if ESCAPE in text else text


def real(value: float | None, name: str) -> float | None:
    """``value`` for a column of floats.

    Raises:
        ValueError: it is NaN or infinite, which would be stored as unknown or break sums; ``name`` says where.
    """
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{name} is {value}; leave it out where it is unknown")
    return value


def json_text(tree: object) -> str:
    """Canonical JSON (keys sorted, no spaces) of dictionaries, sequences, dataclasses and scalars.

    Raises:
        ValueError: nested too deeply.
    """
    try:
        out = orjson.dumps(tree, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:
        return _careful(tree)
    # orjson writes null for NaN; and what has to be escaped is rare enough to be looked for afterwards: in text, since
    # bytes are twice as slow to be looked through.
    if "\\u0000" in out or ESCAPE in out or "null" in out:
        return _careful(tree)
    return out


def dumps(tree: object) -> bytes:
    """``json_text`` in bytes."""
    return json_text(tree).encode()


def loads(text: str) -> object:
    """The tree that ``dumps`` was given, with dataclasses as dictionaries and tuples as lists."""
    # The standard library, since orjson turns integers beyond 64 bits into floats.
    tree = json.loads(text)
    return _restore(tree) if ESCAPE in text else tree


def small_loads(text: str) -> object:
    """``loads`` of what is known to hold no integer beyond 64 bits, in a third of the time."""
    if ESCAPE in text:
        return loads(text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # a lone surrogate
        return loads(text)


def messages_json(messages: tuple[Message, ...]) -> bytes:
    """A conversation as JSON, fields that are empty left out."""
    return dumps([_message(message) for message in messages])


def messages_of(text: str) -> tuple[Message, ...]:
    """The conversation that ``messages_json`` wrote."""
    turns = loads(text)
    assert isinstance(turns, list)  # noqa: S101 - for the type checker: `messages_json` writes nothing else
    return tuple(_turn(turn) for turn in turns)


def texts_of(text: str) -> list[str]:
    """The text of each turn of what ``messages_json`` wrote, as ``Message.text`` tells it, without the rest of it."""
    return [_text(turn["content"]) for turn in cast("list[dict[str, Any]]", small_loads(text))]


def options_json(prompt: Prompt) -> bytes:
    """Everything of a prompt but its messages, as JSON; what is not set is left out."""
    values = _options_of(prompt)
    if values == _NO_OPTIONS:
        return b"{}"
    told = {name: value for name, value in zip(_OPTIONS, values, strict=True) if value or value not in _UNSET}
    return dumps(told) if told else b"{}"


def prompt_of(messages: str, options: str) -> Prompt:
    """The prompt that ``messages_json`` and ``options_json`` wrote."""
    fields = cast("dict[str, Any]", loads(options))
    if form := fields.get("response_format"):
        fields["response_format"] = ResponseFormat(**form)
    for name in ("tools", "stop"):
        fields[name] = tuple(fields.get(name, ()))
    return Prompt(messages=messages_of(messages), **fields)


def tool_calls_of(text: str | None) -> tuple[ToolCall, ...]:
    """The tool calls of a candidate's row."""
    return tuple(ToolCall(**call) for call in cast("list[dict[str, str]]", loads(text))) if text else ()


def logprobs_of(text: str | None) -> tuple[TokenLogprob, ...] | None:
    """The log-probabilities that ``logprobs_json`` wrote; None where there are none."""
    return None if text is None else logprobs_tree(loads(text))


def logprobs_tree(tree: object) -> tuple[TokenLogprob, ...] | None:
    """The log-probabilities of a tree that was read from JSON already; None for None."""
    if tree is None:
        return None
    rows = cast("list[tuple[str, float, list[list[Any]]]]", tree)
    return tuple(
        TokenLogprob(token=token, logprob=_real(logprob), top=tuple((word, _real(p)) for word, p in top))
        for token, logprob, top in rows
    )


def _real(value: float | str) -> float:
    """A number of JSON, where NaN and infinities are strings."""
    return float(value)


def logprobs_json(logprobs: tuple[TokenLogprob, ...] | None) -> str | None:
    """Log-probabilities as ``[[token, logprob, [[alternative, logprob], ...]], ...]``; None where there are none."""
    if logprobs is None:
        return None
    return json_text([(token.token, token.logprob, token.top) for token in logprobs])


def _escape(text: str) -> str:
    return _UNSAFE.sub(_stand_in, text)


def _stand_in(match: re.Match[str]) -> str:
    char = match[0]
    if char == ESCAPE:
        return ESCAPE + ESCAPE
    return ESCAPE + ("0" if char == "\x00" else f"{ord(char):04x}")


def _original(match: re.Match[str]) -> str:
    code = match[1]
    if code == ESCAPE:
        return ESCAPE
    return "\x00" if code == "0" else chr(int(code, 16))


def _careful(tree: object) -> str:
    try:
        return json.dumps(_clean(tree), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply to be stored") from None


def _clean(tree: object) -> object:
    if isinstance(tree, str):
        return bind(tree)
    if isinstance(tree, float) and not math.isfinite(tree):
        return "NaN" if math.isnan(tree) else "Infinity" if tree > 0 else "-Infinity"
    if tree is None or isinstance(tree, bool | int | float):
        return tree
    if isinstance(tree, Mapping):
        return {bind(str(key)): _clean(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple | set | frozenset):
        return [_clean(value) for value in tree]
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return {field.name: _clean(getattr(tree, field.name)) for field in dataclasses.fields(tree)}
    return bind(str(tree))


def _restore(tree: object) -> object:
    if isinstance(tree, str):
        return unbind(tree)
    if isinstance(tree, dict):
        return {unbind(key): _restore(value) for key, value in tree.items()}
    return [_restore(value) for value in tree] if isinstance(tree, list) else tree


def _message(message: Message) -> dict[str, object]:
    tree: dict[str, object] = {"role": message.role, "content": message.content}
    if message.name is not None:
        tree["name"] = message.name
    if message.tool_calls:
        tree["tool_calls"] = message.tool_calls
    if message.tool_call_id is not None:
        tree["tool_call_id"] = message.tool_call_id
    if message.failed:
        tree["failed"] = True
    return tree


def _turn(tree: dict[str, object]) -> Message:
    fields: dict[str, object] = dict(tree)
    if isinstance(fields["content"], list):
        fields["content"] = tuple(_part(part) for part in fields["content"])
    calls = fields.get("tool_calls")
    fields["tool_calls"] = tuple(ToolCall(**call) for call in calls) if isinstance(calls, list) else ()
    return Message(**fields)  # type: ignore[arg-type]


def _text(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part["type"] == "text")


_PARTS: dict[str, type[Part]] = {"text": TextPart, "image": ImagePart, "file": FilePart, "opaque": OpaquePart}


def _part(tree: dict[str, object]) -> Part:
    return _PARTS[str(tree["type"])](**tree)  # type: ignore[arg-type]
