"""Which patterns can match at all: those whose fixed words a text holds, found in one pass over it.

Nearly all patterns need a word that ordinary answers lack, and ``re`` tries each of them at every place. RE2's filter
looks for all such words at once (Cox, "Regular Expression Matching with a Trigram Index", 2012, has the analysis that
finds them), and tries the patterns whose words are there in time that grows with the text alone. It is given wider
patterns, without what looks around, so it may let one through that does not match, and never keeps one back that does.
Patterns that need no such word it would try one by one on every text; a single automaton tries those.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

_LOOKS = re.compile(r"\(\?<?[=!]")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_MOST_MEMORY = 1 << 20
"""Bytes that RE2 may take for one pattern and what it keeps of earlier texts."""
# Blanks to `re` that are none to RE2.
_BLANKS = bytes.maketrans(b"\v\x1c\x1d\x1e\x1f", b"     ")
# What `re` takes for equal to i, s, k and о where case is ignored, though lower() does not make it so.
_FOLDED = {"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k", "\u1c82": "о"}
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_KINDS = re.compile(r"\\[wWdDsS]")
_BEYOND = r"[^\x00-\x7f]"


class Likely:
    """Sorts out which of ``patterns``, by place, are worth trying on a text."""

    def __init__(self, patterns: Sequence[re.Pattern[str]]) -> None:
        self._patterns = patterns

    @cached_property
    def _plain(self) -> "_Sieve":
        return _Sieve([wider(pattern.pattern) for pattern in self._patterns])

    @cached_property
    def _beyond(self) -> "_Sieve":
        return _Sieve([wider(pattern.pattern, beyond_ascii=True) for pattern in self._patterns])

    def is_ready(self, text: str) -> bool:
        """Whether what looks at ``text`` has been made, which takes some 20 ms once."""
        return ("_plain" if text.isascii() else "_beyond") in vars(self)

    def among(self, text: str) -> Sequence[int]:
        """Places of the patterns that may match ``text``, in order."""
        if text.isascii():
            return self._plain.among(text.lower().encode().translate(_BLANKS))
        for odd, small in _FOLDED.items():
            if odd in text:
                text = text.replace(odd, small)
        lowered = text.lower()
        try:
            raw = lowered.encode()
        except UnicodeEncodeError:  # which UTF-8 cannot say, and no pattern asks for
            raw = _SURROGATE.sub("\ufffd", lowered).encode()
        return self._beyond.among(raw.translate(_BLANKS))


class _Sieve:
    """Those of ``patterns``, by place, that match a text of small letters: in a filter, or without a word in a set."""

    def __init__(self, patterns: Sequence[str]) -> None:
        import re2

        options = re2.Options()
        options.log_errors = False
        options.case_sensitive = False  # it is shown small letters alone
        options.max_mem = _MOST_MEMORY
        places = range(len(patterns))
        # Only a filter can tell which patterns need a word: all others may match a text that has none.
        self._bare: Sequence[int] = _filter(patterns, places, options).Match(b"", True) or ()
        self._worded = [place for place in places if place not in self._bare]
        self._filter = _filter(patterns, self._worded, options)
        self._set = re2.Set.SearchSet(options)
        for place in self._bare:
            self._set.Add(f"(?m){patterns[place]}")
        self._set.Compile()

    def among(self, text: bytes) -> Sequence[int]:
        """Places of the patterns that match ``text``, in order."""
        worded, bare = self._filter.Match(text), self._set.Match(text)
        if not worded and not bare:
            return ()
        return sorted([*(self._worded[at] for at in worded or ()), *(self._bare[at] for at in bare or ())])


def _filter(patterns: Sequence[str], places: Sequence[int], options: Any) -> Any:
    import re2

    found = re2.Filter()
    for place in places:
        found.Add(f"(?m){patterns[place]}", options)
    found.Compile()
    return found


def wider(pattern: str, *, beyond_ascii: bool = False) -> str:
    """``pattern`` in the syntax of RE2 without what looks around; it matches wherever ``pattern`` does.

    Letters, figures, blanks and the bounds of words are to RE2 those of ASCII alone. With ``beyond_ascii`` any other
    character passes for each of these, and bounds are left out, so that this holds for every text.
    """
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
        elif beyond_ascii and piece in (r"\b", r"\B"):
            continue
        elif beyond_ascii and _KINDS.search(piece):
            piece = f"(?:{piece}|{_BEYOND})"
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
