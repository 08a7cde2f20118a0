"""JSON and text that crosses the border: lone surrogates, invalid UTF-8, control characters, secrets."""

import json
import re
from collections.abc import Iterable, Mapping

import orjson

SURROGATES = "lone_surrogates"
"""Recorded among the dropped parameters where outgoing text had to be mended."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_MASKED = re.compile(r"\S*[*•]{3,}\S*|\w\S*(?:…|\.{3})\w+")
_RUN = 8
_LEAST = 4  # a shorter key is no secret, and hiding it would spoil every message
_MOST_READ = 4000
_MOST_TOLD = 300


class NotJson(ValueError):
    """The bytes are no JSON document."""


def to_json(value: object) -> tuple[bytes, bool]:
    """``value`` as JSON, and whether lone surrogates in it had to become U+FFFD, since no encoding can carry them.

    Raises:
        TypeError: ``value`` holds something that JSON cannot express.
    """
    try:
        text, changed = orjson.dumps(value), False
    except orjson.JSONEncodeError:
        text, changed = orjson.dumps(mended(value)), True
    # Copied, since orjson's own keeps the room in which it was written, 4 KB or some ten times the text, for as long as
    # the call lasts.
    return bytes(memoryview(text)), changed


def from_json(data: bytes) -> object:
    """What ``data`` says, with U+FFFD in place of lone surrogates and of bytes that are not UTF-8.

    Raises:
        NotJson: it is no JSON document, or one that is nested without end.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        # orjson refuses what a careless model may well have said; the slower parser takes it.
        first = str(error)
    try:
        return mended(json.loads(data.decode("utf-8", "replace"), parse_constant=_unknown))
    except (ValueError, RecursionError):
        raise NotJson(first) from None


def mended(value: object) -> object:
    """``value`` with every lone surrogate in it replaced by U+FFFD."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {mended(key): mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mended(item) for item in value]
    return value


class Secrets:
    """Texts that nobody may read in a message: API keys and the values of secret headers."""

    __slots__ = ("texts",)

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = tuple(text for text in texts if len(text) >= _LEAST)

    def told(self, text: str) -> str:
        """One printable line of at most 300 characters, without any secret or piece of one.

        Providers repeat a wrong key in part (``sk-ab***yz``), so runs of eight characters of a key go, and so does
        every word that is masked.
        """
        text = text[:_MOST_READ]
        hidden = bytearray(len(text))
        for secret in self.texts:
            run = min(_RUN, len(secret))
            pieces = {secret[at : at + run] for at in range(len(secret) - run + 1)}
            for at in range(len(text) - run + 1):
                if text[at : at + run] in pieces:
                    hidden[at : at + run] = b"\1" * run
        marked = "".join("\0" if gone else char for char, gone in zip(text, hidden, strict=True))
        shown = re.sub("\0+", "[secret]", marked)
        if self.texts:
            shown = _MASKED.sub("[secret]", shown)
        line = " ".join("".join(char if char.isprintable() else " " for char in shown).split())
        return line if len(line) <= _MOST_TOLD else f"{line[: _MOST_TOLD - 1]}…"


def _unknown(_: str) -> None:
    """NaN and Infinity, which JSON does not have but Python's servers write: a number that nobody knows."""
