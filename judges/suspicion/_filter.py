"""Which patterns can match at all: those whose fixed words a text holds, found in one pass over it.

Nearly all patterns need a word that ordinary answers lack, and ``re`` tries each of them at every place. RE2's filter
looks for all such words at once (Cox, "Regular Expression Matching with a Trigram Index", 2012, has the analysis that
finds them), and tries the patterns whose words are there in time that grows with the text alone. It is given wider
patterns, without what looks around, so it may let one through that does not match, and never keeps one back that does.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

_LOOKS = re.compile(r"\(\?<?[=!]")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_SIGNS = ("[", "<", ">", "end_of")
"""What a pattern needs in which RE2's filter finds no word to look for, unless it looks at the beginning alone."""
_MOST_MEMORY = 1 << 20
"""Bytes that RE2 may take for one pattern and what it keeps of earlier texts."""
# Blanks to `re` that are none to RE2.
_BLANKS = bytes.maketrans(b"\v\x1c\x1d\x1e\x1f", b"     ")
# What `re` takes for equal to i, s, k and о where case is ignored, though lower() does not make it so.
_FOLDED = str.maketrans({0x130: "i", 0x131: "i", 0x17F: "s", 0x212A: "k", 0x1C82: "о"})


class Likely:
    """Sorts out which of ``patterns``, by place, are worth trying on a text."""

    def __init__(self, patterns: Sequence[re.Pattern[str]]) -> None:
        self._patterns = patterns

    @cached_property
    def _signed(self) -> frozenset[int]:
        """Places of the patterns that need a sign."""
        wordless = self._filter.Match(b"", True) or ()
        return frozenset(at for at in wordless if not self._patterns[at].pattern.startswith(r"\A"))

    @cached_property
    def _filter(self) -> Any:
        import re2

        found = re2.Filter()
        for pattern in self._patterns:
            options = re2.Options()
            options.log_errors = False
            options.case_sensitive = False  # it is shown small letters alone
            options.max_mem = _MOST_MEMORY
            found.Add(f"(?m){wider(pattern.pattern)}", options)
        found.Compile()
        return found

    def among(self, text: str) -> Sequence[int]:
        """Places of the patterns that may match ``text``, in order."""
        plain = text.isascii()
        lowered = (text if plain else text.translate(_FOLDED)).lower()
        # No pattern asks for a lone surrogate, which UTF-8 cannot say.
        raw = lowered.encode(errors="replace").translate(_BLANKS)
        # Beyond ASCII, letters and word boundaries are others to RE2 than to `re`; there the words alone count.
        likely: Sequence[int] = self._filter.Match(raw, not plain) or ()
        if plain or any(sign in lowered for sign in _SIGNS):
            return likely
        return [at for at in likely if at not in self._signed]


def wider(pattern: str) -> str:
    """``pattern`` in the syntax of RE2 without what looks around; it matches wherever ``pattern`` does."""
    out, at = "", 0
    while at < len(pattern):
        if _LOOKS.match(pattern, at):
            at = _end(pattern, at)
            continue
        size = _size(pattern, at)
        piece = pattern[at : at + size]
        at += size
        if piece == r"\Z":
            piece = r"\z"
        elif piece == r"\u":
            piece, at = rf"\x{{{pattern[at : at + 4]}}}", at + 4
        out += piece
    return out


def _end(pattern: str, at: int) -> int:
    """Behind the group that begins at ``at``."""
    depth = 0
    while True:
        size = _size(pattern, at)
        depth += {"(": 1, ")": -1}.get(pattern[at : at + size], 0)
        at += size
        if depth == 0:
            return at


def _size(pattern: str, at: int) -> int:
    """Characters of the piece at ``at``: an escape, a class, or one."""
    if pattern[at] == "\\":
        return 2
    found = _CLASS.match(pattern, at) if pattern[at] == "[" else None
    return len(found[0]) if found else 1
