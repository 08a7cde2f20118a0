"""Texts that speak to the judge instead of the user: marked for review, never dropped.

The fencing of a page is what keeps such a text from having its way; this tells a person where to look. What is looked
for are verdict labels, instructions to a judge, delimiters of well-known judge prompts, judgments that a text passes on
itself, padding and gibberish: in the text as it is, and as it reads once a disguise is taken off.
"""

import base64
import binascii
import codecs
import html
import re
import unicodedata
import zlib
from collections.abc import Iterator

from judges.suspicion._patterns import PATTERNS
from judges.types import Case

_BASE64 = re.compile(r"(?<![\w+/=])[A-Za-z0-9+/]{16,}={0,2}(?![\w+/=])")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})|\\u00([0-9a-f]{2})|%([0-9a-f]{2})", re.IGNORECASE)
_TAGS = {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}  # invisible twins of ASCII
# Letters of other scripts that look like Latin ones.
_TWINS = str.maketrans("АВСЕНКМОРТХаеорсухіјԁΑΒΕΗΙΚΜΝΟΡΤΧ", "ABCEHKMOPTXaeopcyxijdABEHIKMNOPTX")
_HINTS = ("ignor", "judge", "verdict", "rating", "score", "winner", "better", "instruct", "choose", "prefer")
_ROT13_HINTS = tuple(codecs.encode(hint, "rot13") for hint in _HINTS)
_BACKWARD_HINTS = tuple(hint[::-1] for hint in _HINTS)
_LEAST_PADDING, _LEAST_GIBBERISH = 300, 200  # characters; shorter texts repeat themselves by chance


def suspicions(text: str) -> tuple[str, ...]:
    """The kinds of suspicion that ``text`` raises, sorted.

    They are verdict_label, instruction, delimiter, own_judgment, padding and gibberish; ``disguised`` stands beside a
    kind that showed only once the text was decoded or its look-alike and invisible characters were replaced. About
    half a millisecond for 2 KB.
    """
    kinds = _kinds(text)
    for plain in _undisguised(text):
        hidden = _kinds(plain) - kinds
        if hidden:
            kinds |= hidden | {"disguised"}
    if _is_padding(text):
        kinds.add("padding")
    if _is_gibberish(text):
        kinds.add("gibberish")
    return tuple(sorted(kinds))


def marks(case: Case) -> tuple[str, ...]:
    """A flag ``suspicious:<candidate>`` for each candidate of ``case`` that raises a suspicion, in the case's order."""
    return tuple(f"suspicious:{one.id}" for one in case.candidates if suspicions(one.completion.text))


def _kinds(text: str) -> set[str]:
    return {kind for kind, patterns in PATTERNS.items() if any(pattern.search(text) for pattern in patterns)}


def _undisguised(text: str) -> Iterator[str]:
    """Other readings of ``text``, only where there is a sign that it has one."""
    plain = unicodedata.normalize("NFKC", html.unescape(text).translate(_TAGS)).translate(_TWINS)
    plain = _ESCAPED.sub(lambda found: chr(int(found.group(1) or found.group(2) or found.group(3), 16)), plain)
    plain = "".join(one for one in plain if unicodedata.category(one) != "Cf")
    if plain != text:
        yield plain
    for token in _BASE64.findall(text):
        if (decoded := _from_base64(token)) is not None:
            yield decoded
    lowered = text.lower()
    if any(hint in lowered for hint in _ROT13_HINTS):
        yield codecs.encode(text, "rot13")
    if any(hint in lowered for hint in _BACKWARD_HINTS):
        yield text[::-1]


def _from_base64(token: str) -> str | None:
    try:
        decoded = base64.b64decode(token + "=" * (-len(token) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded if decoded.replace("\n", " ").isprintable() else None


def _is_padding(text: str) -> bool:
    """Whether a text says next to nothing for its length: it shrinks to less than a fifteenth."""
    if len(text) < _LEAST_PADDING:
        return False
    raw = text.encode(errors="surrogatepass")
    return len(zlib.compress(raw)) < len(raw) / 15


def _is_gibberish(text: str) -> bool:
    """Whether nearly half of the words are lone punctuation marks, and it is not laid out as code or a table."""
    words = text.split()
    if len(text) < _LEAST_GIBBERISH or "\n " in text or "|" in words:
        return False
    marks = sum(len(word) == 1 and not word.isalnum() for word in words)
    return marks > 0.4 * len(words)
