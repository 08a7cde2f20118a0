"""Which of the dearer looks at a text are worth taking, found in one pass over it.

An ordinary answer has no token of base64, no spread word and no unpronounceable one; ``re`` needs a pass for each of
them to find that out, and RE2 one for all (``RE2::Set``, a single automaton). Each sign is wider than what it stands
for: it may show where nothing is, and never fails to show.
"""

from enum import IntEnum
from functools import cache
from typing import Any


class Sign(IntEnum):
    """What a text may hold."""

    LEET = 0
    SPREAD = 1
    BASE64 = 2
    HEX = 3
    ROT13 = 4
    BACKWARD = 5
    LONE = 6
    """A mark between spaces."""
    UNPRONOUNCEABLE = 7


ALL = frozenset(Sign)
HINTS = ("ignor", "judge", "verdict", "rating", "score", "winner", "better", "instruct", "choose", "prefer")
_ROT13 = str.maketrans("abcdefghijklmnopqrstuvwxyz", "nopqrstuvwxyzabcdefghijklm")
_IN_64 = "[A-Za-z0-9+/]"
_CONSONANT = "[bcdfghjklmnpqrstvwxz]"
_PATTERNS = {
    Sign.LEET: r"(?:^|[^\w@$])[a-zA-Z]*[013457@$][a-zA-Z013457@$]+(?:[^\w@$]|$)",
    Sign.SPREAD: r"(?:^|\W)(?:[A-Za-z0-9][ .\-_*]){4}[A-Za-z0-9]",
    # Eight in a row, not all of them small letters behind the first: such a word says nothing in base64.
    Sign.BASE64: "|".join(f"{_IN_64}{{{at}}}[A-Z0-9+/]{_IN_64}{{{7 - at}}}" for at in range(1, 8)),
    Sign.HEX: r"(?:^|\W)(?:[0-9a-fA-F]{2}[ ,:]?){5}",
    Sign.ROT13: "(?i)" + "|".join(hint.translate(_ROT13) for hint in HINTS),
    Sign.BACKWARD: "(?i)" + "|".join(hint[::-1] for hint in HINTS),
    Sign.LONE: r"(?:^|\s)[^\w\s](?:\s|$)",
    Sign.UNPRONOUNCEABLE: rf"{_CONSONANT}{{5}}|(?:^|\s){_CONSONANT}{{4,}}(?:\s|$)",
}


@cache
def _set() -> Any:
    import re2

    signs = re2.Set.SearchSet()
    for pattern in _PATTERNS.values():
        signs.Add(pattern)
    signs.Compile()
    return signs


def signs_of(text: str) -> frozenset[Sign]:
    """The signs that ``text`` shows; all of them where it is not ASCII, of which these patterns know nothing."""
    if not text.isascii():
        return ALL
    return frozenset(_set().Match(text.encode()) or ())
