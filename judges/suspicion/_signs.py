"""Which of the dearer looks at a text are worth taking, found in one pass over it.

An ordinary answer has no token of base64, no spread word and no unpronounceable one; ``re`` needs a pass for each of
them to find that out, and RE2 one for all (``RE2::Set``, a single automaton). Each sign is wider than what it stands
for: it may show where nothing is, and never fails to show.
"""

import re
from functools import cache
from typing import Any

# Plain numbers, since a member of an enumeration takes three times as long to be looked for in a set.
LEET, SPREAD, BASE64, HEX, ROT13, BACKWARD, LONE, UNPRONOUNCEABLE, OPENING = range(9)
"""What a text may hold. ``LONE`` is a mark between spaces that is none of a formula, ``OPENING`` a first word with
which a text may begin that would do as the answer to any question."""

FORMULA = "=+-*/<>^&·×÷≤≥≠≡→⊃∨∧~"
"""Marks that a formula is made of."""
HINTS = ("ignor", "judge", "verdict", "rating", "score", "winner", "better", "instruct", "choose", "prefer")
_ROT13 = str.maketrans("abcdefghijklmnopqrstuvwxyz", "nopqrstuvwxyzabcdefghijklm")
# Beyond ASCII, letters and blanks are others to RE2 than to `re` and `str`: here they are named.
_LETTER = r"(?:[A-Za-z0-9]|[^\x00-\x7f])"
_BLANK = r"[\s\v\x1c-\x1f\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]"
_IN_64 = "[A-Za-z0-9+/]"
# In base64, behind the first: small letters up to the first character that is none, eight in all.
_OTHER_AT = (*(f"[a-z]{{{at}}}[A-Z0-9+/]{_IN_64}{{{6 - at}}}" for at in range(7)), "[a-z]{7,}[A-Z0-9+/]")
_CONSONANT = "[bcdfghjklmnpqrstvwxz]"
_PATTERNS = {
    LEET: r"(?:^|[^\w@$])[a-zA-Z]*[013457@$][a-zA-Z013457@$]+(?:[^\w@$]|$)",
    SPREAD: rf"(?:^|\W)(?:{_LETTER}[ .\-_*]){{4}}{_LETTER}",
    # Eight in a row, not all of them small letters behind the first: such a word says nothing in base64. Told by the
    # first other one, and from where a token begins: else RE2 makes a state for each way to mix them in eight.
    BASE64: rf"(?:^|[^\w+/=]){_IN_64}(?:{'|'.join(_OTHER_AT)})",
    HEX: r"(?:^|\W)(?:[0-9a-fA-F]{2}[ ,:]?){5}",
    ROT13: "(?i)" + "|".join(hint.translate(_ROT13) for hint in HINTS),
    BACKWARD: "(?i)" + "|".join(hint[::-1] for hint in HINTS),
    LONE: rf"(?:^|{_BLANK})[^A-Za-z0-9\s{re.escape(FORMULA)}](?:{_BLANK}|$)",
    UNPRONOUNCEABLE: rf"{_CONSONANT}{{5}}|(?:^|{_BLANK}){_CONSONANT}{{4,}}(?:{_BLANK}|$)",
    OPENING: r"(?i)^[^A-Za-z0-9\n]*"
    r"(?:sure|certa|of |absol|great|good|hello|hi|thank|[iı][ '’]|we |here|th[iı]s|below|please|let |feel|lorem)",
}


@cache
def _set() -> Any:
    import re2

    signs = re2.Set.SearchSet()
    for pattern in _PATTERNS.values():
        signs.Add(pattern)
    signs.Compile()
    return signs


def signs_of(text: str) -> frozenset[int]:
    """The signs that ``text`` shows."""
    # Of what is no small letter, this one alone becomes one of ASCII by lower() and not to RE2.
    small = text if text.isascii() else text.replace("\u0130", "i")
    # A lone surrogate, which UTF-8 cannot say, is part of none.
    return frozenset(_set().Match(small.encode(errors="replace")) or ())
