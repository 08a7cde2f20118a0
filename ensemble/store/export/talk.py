"""Conversations as other programs read them: a role and a content that is one text, tool calls where there are any."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, cast

from pydantic import Discriminator, TypeAdapter

from ensemble.errors import CallFailed
from ensemble.providers._files import file_for_openai, image_for_openai
from ensemble.store.content import dumps, loads
from ensemble.store.export.fields import Row
from judges.types import FilePart, ImagePart, Message, OpaquePart, Part, TextPart

_PARTS: TypeAdapter[tuple[Part, ...]] = TypeAdapter(tuple[Annotated[Part, Discriminator("type")], ...])


def turns_of(messages: str) -> list[Row]:
    """The stored messages of a request."""
    return [_turn(turn) for turn in cast("list[dict[str, Any]]", loads(messages))]


def said(text: str, tool_calls: object) -> Row:
    """A candidate as the assistant's turn."""
    return _turn({"role": "assistant", "content": text, "tool_calls": tool_calls})


def plain(turns: Sequence[Row]) -> str:
    """A conversation in one text: what the user asked, where that is all of it, else the messages as a JSON array."""
    if len(turns) == 1 and turns[0].keys() == {"role", "content"} and turns[0]["role"] == "user":
        return str(turns[0]["content"])
    return dumps(turns).decode()


def cell(turns: Sequence[Row]) -> str:
    """As ``plain``, in messages that chat completions take, images and files included.

    A text that ``ensemble.importing.matrix`` would take for a list of texts or messages stands in messages, too.
    """
    told = plain(turns)
    if told[:2] not in ("['", '["', "[{"):
        return told
    return dumps([turn | {"content": _sendable(content_of(turn["content"]))} for turn in turns]).decode()


def texts(turns: Iterable[Row], role: str) -> list[str]:
    """What that role said, turn by turn."""
    return [str(turn["content"]) for turn in turns if turn["role"] == role]


def content_of(text: str) -> str | tuple[Part, ...]:
    """The content that a turn was written from: its parts where it is an array of more than texts, else ``text``."""
    if not text.startswith("[{"):
        return text
    try:
        parts = _PARTS.validate_python(loads(text))
    except (ValueError, RecursionError):
        return text
    return text if all(isinstance(part, TextPart) for part in parts) else parts


def _sendable(content: str | tuple[Part, ...]) -> str | list[Mapping[str, object]]:
    """Content as chat completions take it, without what only the member that made it can read."""
    if isinstance(content, str):
        return content
    parts = [_sendable_part(part) for part in content if not isinstance(part, OpaquePart)]
    return parts if any(part["type"] != "text" for part in parts) else "\n".join(str(part["text"]) for part in parts)


def _sendable_part(part: TextPart | ImagePart | FilePart) -> Mapping[str, object]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        return image_for_openai(part)
    try:
        return file_for_openai(part)
    except CallFailed:  # it has no shape there; an import rejects the row and says why
        return part.data


def question(turns: Iterable[Row]) -> str:
    """The texts of a conversation as a router reads it, a blank line between them."""
    spoken = (Message(role=turn["role"], content=content_of(turn["content"])).text for turn in turns)
    return "\n\n".join(text for text in spoken if text)


def answer_text(turn: Row | None) -> str | None:
    """What an answer says: its text, or its tool calls as JSON where it has nothing else; None where it is withheld."""
    if turn is None:
        return None
    return str(turn["content"]) or (dumps(turn["tool_calls"]).decode() if "tool_calls" in turn else "")


def _turn(turn: Mapping[str, Any]) -> Row:
    out: Row = {"role": turn["role"], "content": _content(turn["content"])}
    for name in ("name", "tool_call_id"):
        if turn.get(name) is not None:
            out[name] = turn[name]
    if calls := turn.get("tool_calls"):
        out["tool_calls"] = [
            {
                "id": call.get("id"),
                "type": "function",
                "function": {"name": call.get("name"), "arguments": call.get("arguments")},
            }
            for call in calls
        ]
    return out


def _content(content: object) -> str:
    """Texts alone are joined by a line feed; beside images, files and other parts it is the array of parts as JSON."""
    if not isinstance(content, list):
        return str(content)
    if all(part.get("type") == "text" for part in content):
        return "\n".join(str(part["text"]) for part in content)
    return dumps(content).decode()
