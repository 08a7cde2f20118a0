"""Text of models and providers, made harmless for a terminal."""

import re

SEQUENCES = re.compile(
    r"(?:\x1b\]|\x9d|\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # titles, links, strings
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, cursor, screen (ECMA-48, 5.4)
    r"|\x1b[ -/]*[0-~]?"
)
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""Controls, marks that turn the direction of writing, and halves of characters that no stream can encode."""


def safe(text: str) -> str:
    """``text`` without anything that a terminal would obey instead of showing; line ends and tabs stay."""
    text = SEQUENCES.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0b", "\n").replace("\x0c", "\n"))
    return UNSEEN.sub("", text)


def brief(text: str, most: int = 200) -> str:
    """``text`` on one line of at most ``most`` characters, safe to print."""
    line = " ".join(safe(text).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
