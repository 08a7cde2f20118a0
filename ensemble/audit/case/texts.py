"""Texts of a record as a page shows them: JSON laid out, what is long cut, what is no text named."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Tree = Mapping[str, Any]
MOST = 20_000
"""Characters of one text on a page; what is longer is cut, and its page links to the whole of it."""
MOST_TALK = 200_000
"""Characters of all turns of a conversation together; the latest come first, and each keeps ``LEAST`` of every text."""
LEAST = 200
MOST_JSON = 100_000
"""Characters up to which a text is looked at for JSON."""


_SIGN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+')


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text of a person or a model: hostile, so whoever shows it escapes it.

    Attributes:
        text: its beginning, laid out with an indent where it is JSON.
        characters: length of the whole, as it was stored.
        at: where the whole of it stands in the record, for ``found_at``; "" where it is no text of the record.
        cut: there is more than ``text``.
        json: ``text`` is JSON, laid out.
    """

    text: str
    characters: int
    at: str = ""
    cut: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of a turn: a text, a call of a tool, or something that is told of and not shown.

    ``title`` names what is called or not shown; it is hostile, too.
    """

    kind: Literal["text", "call", "told"]
    title: str = ""
    text: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of a conversation. ``name`` is who speaks or which call is answered, where that was told."""

    role: str
    blocks: tuple[Block, ...]
    name: str = ""
    failed: bool = False


def shown(text: str, at: str = "", most: int = MOST) -> Text:
    """``text``, which stands ``at`` that place of the record, for a page."""
    laid_out = _laid_out(text, most)
    whole = text if laid_out is None else laid_out
    return Text(text=whole[:most], characters=len(text), at=at, cut=len(whole) > most, json=laid_out is not None)


def tree_text(tree: object, at: str) -> Text:
    """A tree of JSON values for a page."""
    return shown(json.dumps(tree, ensure_ascii=False), at)


def found_at(record: Tree, at: str) -> str | None:
    """The text that stands ``at`` a place such as ``candidates/ID/text`` of ``record``; None where none does.

    What is no text is told as JSON.
    """
    here: object = record
    for step in at.split("/"):
        if isinstance(here, Mapping):
            here = here.get(step)
        elif isinstance(here, Sequence) and not isinstance(here, str):
            here = next((one for number, one in enumerate(here) if step in (_id(one), str(number))), None)
        else:
            return None
    return here if here is None or isinstance(here, str) else json.dumps(here, ensure_ascii=False, indent=2)


def _id(one: object) -> object:
    return one.get("id") if isinstance(one, Mapping) else None


def turns(messages: Sequence[Tree]) -> tuple[Turn, ...]:
    """The conversation of a record. Images and files are told of by text alone; a provider's state is hidden."""
    found, left = list[Turn](), MOST_TALK
    for number in range(len(messages) - 1, -1, -1):
        message, most = messages[number], max(LEAST, min(MOST, left))
        blocks = (
            *_blocks(message["content"], f"messages/{number}/content", most),
            *calls(message.get("tool_calls", ()), f"messages/{number}", most),
        )
        left -= sum(len(block.text.text) for block in blocks if block.text)
        found.append(
            Turn(
                role=message["role"],
                blocks=blocks,
                name=message.get("name") or "",
                failed=bool(message.get("failed")),
            )
        )
    return tuple(reversed(found))


def calls(written: Sequence[Tree] | None, at: str, most: int = MOST) -> tuple[Block, ...]:
    """Calls of tools. Their ids are left out, since the form of an id tells which provider made it."""
    return tuple(
        Block(
            kind="call",
            title=call["name"],
            text=shown(call["arguments"], f"{at}/tool_calls/{number}/arguments", most),
        )
        for number, call in enumerate(written or ())
    )


def _blocks(content: str | Sequence[Tree], at: str, most: int) -> Iterator[Block]:
    if isinstance(content, str):
        if content:
            yield Block(kind="text", text=shown(content, at, most))
        return
    for number, part in enumerate(content):
        if part["type"] == "text":
            yield Block(kind="text", text=shown(part["text"], f"{at}/{number}/text", most))
        else:
            yield Block(kind="told", title=_told(part))


def _told(part: Tree) -> str:
    if part["type"] == "image":
        kind, is_data, _ = part["url"].partition(",")
        what = f"{kind[:80]}, {len(part['url']):,} characters" if is_data and kind.startswith("data:") else part["url"]
        return f"image (not loaded): {what[:500]}"
    if part["type"] == "file":
        return f"file (not loaded), sent as {', '.join(sorted(map(str, part['data'])))[:200]}"
    return "state of a provider, such as its reasoning (not shown)"


def _laid_out(text: str, most: int) -> str | None:
    """A JSON object or array with line breaks and indents, a little more than ``most`` characters; None if it is none.

    Only white space differs, so a key that stands there twice and the digits of numbers are as they were written.
    """
    bare = text.strip() if len(text) <= MOST_JSON else ""
    if bare[:1] + bare[-1:] not in ("{}", "[]"):
        return None
    try:
        json.loads(bare)
    except (ValueError, RecursionError):
        return None
    written, size = [], 0
    for sign in _indented(bare):
        written.append(sign)
        # Deep nesting makes more white space than anybody can hold.
        if (size := size + len(sign)) > most:
            break
    return "".join(written)


def _indented(written: str) -> Iterator[str]:
    depth, before = 0, ""
    for found in _SIGN.finditer(written):
        sign = found[0]
        if sign in "}]":
            depth -= 1
        if before in ("{", "[", ",") or sign in "}]":
            empty = before + sign in ("{}", "[]")
            yield "" if empty else "\n" + "  " * depth
        yield f"{sign} " if sign == ":" else sign
        depth += sign in "{["
        before = sign
