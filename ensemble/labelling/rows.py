"""A row of a file of prompts: what it must hold, what it may hold, and the sentence where it does not fit."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from ensemble.errors import InvalidRequest
from judges.schemas import flaw
from judges.types import Message, Prompt, ResponseFormat

FIELDS = ("prompt", "messages", "id", "reference", "schema", "domain", "conversation", "metadata", "tools", "options")
"""What a row may say by these names; everything else of it is kept as metadata."""
Parse = Callable[[bytes], Prompt]
"""Reads a body of OpenAI's chat completions; raises InvalidRequest with one sentence."""
MOST_KEPT = 65_536
"""Characters of a bad row that are kept beside the reason."""
MOST_NAMES, MOST_NAME = 12, 40
"""Columns that a reason tells, and characters of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One prompt of a file. ``position`` is its line, or its number where the format has no lines, from 1."""

    position: int
    row_id: str
    prompt: Prompt
    reference: str | None = None
    domain: str | None = None
    conversation: str | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)

    @property
    def data_class(self) -> str | None:
        """How the row says that its content may be handled."""
        stated = self.metadata.get("data_class")
        return None if stated is None else str(stated)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row that cannot be used, and why; ``text`` is the row as it came, cut off where it is very long."""

    position: int
    reason: str
    text: str = ""


class BadRow(ValueError):
    """A row does not fit; the sentence says what is wrong with which field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReader:
    """Makes rows of what a source yields.

    ``columns`` says under which names the file holds our fields; ``renames`` whether the operator could have said so.
    """

    parse: Parse
    columns: Mapping[str, str] = field(default_factory=dict)
    renames: bool = True

    def read(self, position: int, tree: object) -> Row | Reject:
        """Understand one row; a bad one is a value, since the run goes on."""
        try:
            return self._row(position, tree)
        except BadRow as error:
            return Reject(position=position, reason=str(error), text=shown(tree))

    def _row(self, position: int, tree: object) -> Row:
        if not isinstance(tree, Mapping):
            raise BadRow("the row is no object with a prompt or messages")
        fields, rest = dict[str, Any](), dict[str, Any](tree)
        for name in FIELDS:
            value = rest.pop(self.columns.get(name, name), None)
            # An empty cell of a table says nothing.
            if value is not None and value != "":
                fields[name] = value
        metadata = _object("metadata", fields.get("metadata", {}))
        return Row(
            position=position,
            row_id=_text("id", fields.get("id")) or str(position),
            prompt=self._prompt(fields, rest),
            reference=_text("reference", fields.get("reference")),
            domain=_text("domain", fields.get("domain")),
            conversation=_text("conversation", fields.get("conversation")),
            metadata=_plain({**rest, **metadata}),
        )

    def _prompt(self, fields: Mapping[str, Any], rest: Iterable[str]) -> Prompt:
        told = [name for name in ("prompt", "messages") if name in fields]
        if len(told) == 2 and _repeats(fields["prompt"], fields["messages"]):
            told = ["messages"]
            fields = {name: value for name, value in fields.items() if name != "prompt"}
        if len(told) != 1:
            raise BadRow("give prompt or messages, not both" if told else self._lack([*fields, *rest]))
        said = fields[told[0]]
        if isinstance(said, str) and told == ["prompt"] and not fields.keys() & {"tools", "options"}:
            if not said.strip():
                raise BadRow("prompt: it is empty")
            prompt = Prompt(messages=(Message(role="user", content=_encodable(said)),))
        else:
            prompt = self._parsed(said, fields)
        if "schema" in fields:
            schema = _object("schema", fields["schema"])
            if wrong := flaw(schema):
                raise BadRow(f"schema: no usable JSON Schema: {wrong}")
            prompt = _with_schema(prompt, schema)
        return prompt

    def _lack(self, names: list[str]) -> str:
        """That there is no prompt, and what the row has in its place: most likely the prompt by another name."""
        told = "there is neither a prompt nor messages"
        if names:
            more = ", ..." if len(names) > MOST_NAMES else ""
            told += f", but {', '.join(str(name)[:MOST_NAME] for name in names[:MOST_NAMES])}{more}"
        if names and self.renames:
            told += "; where one of these is the prompt, say so with --column prompt=NAME (or messages=NAME)"
        return told

    def _parsed(self, said: object, fields: Mapping[str, Any]) -> Prompt:
        if not isinstance(said, str | list | tuple):
            name = "prompt: it must be a text or" if "prompt" in fields else "messages: it must be"
            raise BadRow(f"{name} a list of messages")
        messages = [{"role": "user", "content": said}] if isinstance(said, str) and "prompt" in fields else said
        if isinstance(messages, str):
            messages = _json("messages", messages)
        body = {**_object("options", fields.get("options", {})), "model": "label", "messages": _pruned(messages)}
        if "tools" in fields:
            tools = fields["tools"]
            body["tools"] = _pruned(_json("tools", tools) if isinstance(tools, str) else tools)
        try:
            return self.parse(orjson.dumps(body, default=str))
        except InvalidRequest as error:
            raise BadRow(str(error)) from None
        except (TypeError, orjson.JSONEncodeError) as error:
            raise BadRow(f"the prompt cannot be written as JSON: {error}") from None


def _repeats(prompt: object, messages: object) -> bool:
    """Whether ``prompt`` is the last turn of ``messages`` once more, as ``ensemble simulate --tasks`` writes it."""
    last = messages[-1] if isinstance(messages, list) and messages else None
    return isinstance(last, Mapping) and isinstance(prompt, str) and last.get("content") == prompt


def _with_schema(prompt: Prompt, schema: Mapping[str, object]) -> Prompt:
    from dataclasses import replace

    return replace(prompt, response_format=ResponseFormat(type="json_schema", schema=schema))


def _pruned(value: object) -> object:
    """``value`` without keys that hold nothing: columnar formats fill up what a row does not have."""
    if isinstance(value, Mapping):
        return {key: _pruned(inner) for key, inner in value.items() if inner is not None}
    return [_pruned(inner) for inner in value] if isinstance(value, list | tuple) else value


def _text(name: str, value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRow(f"{name}: it must be a text")
    return _encodable(str(value))


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRow("it holds half a surrogate pair, which is not text") from None
    return text


def _object(name: str, value: object) -> dict[str, Any]:
    if isinstance(value, str):
        value = _json(name, value)
    if not isinstance(value, dict):
        raise BadRow(f"{name}: it must be an object")
    return cast("dict[str, Any]", value)


def _json(name: str, text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRow(f"{name}: it is not JSON: {error}") from None


def _plain(tree: Mapping[str, object]) -> dict[str, object]:
    """Metadata as JSON: what has no place there, such as a time of a table, becomes text."""
    try:
        return cast("dict[str, object]", orjson.loads(orjson.dumps(tree, default=str, option=orjson.OPT_NON_STR_KEYS)))
    except TypeError as error:
        raise BadRow(f"metadata: {error}") from None


def shown(tree: object) -> str:
    """A row as text, to stand beside the reason for which it was rejected."""
    try:
        text = json.dumps(tree, ensure_ascii=True, default=str)
    except (TypeError, ValueError, RecursionError):
        text = repr(type(tree))
    return text[:MOST_KEPT]
