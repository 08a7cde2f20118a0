"""Texts that speak to the judge instead of the user: marked for review, never dropped.

The fencing of a page is what keeps such a text from having its way; this tells a person where to look. What is looked
for are verdict labels, instructions to a judge, delimiters of well-known judge prompts, judgments that a text passes on
itself, padding and gibberish: in the text as it is, and as it reads once a disguise is taken off.
"""

import asyncio
import binascii
import codecs
import html
import re
import string
import unicodedata
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import islice
from typing import Self

from judges.suspicion._filter import Likely
from judges.suspicion._patterns import CONSTANT, PATTERNS
from judges.suspicion._signs import (
    BACKWARD,
    BASE64,
    FORMULA,
    HEX,
    HINTS,
    LEET,
    LONE,
    OPENING,
    ROT13,
    SPREAD,
    UNPRONOUNCEABLE,
    signs_of,
)
from judges.types import Case

# Possessive (`++`) where giving back what was taken could not help. What may not stand before a token is looked for
# behind its first characters: `re` skips fast to one of a set if that comes first.
_BASE64 = re.compile(r"[A-Za-z0-9+/]{8}(?<![\w+/=].{8})[A-Za-z0-9+/]*+={0,2}+(?![\w+/=])")
# In a text whose hexadecimal digits all read 0: `re` skips much faster to two given characters than to two of a set.
_HEX = re.compile(r"00(?<!\w..)[ ,:]?(?:00[ ,:]?){4,399}(?!\w)")
_HEX_AS_0 = bytes.maketrans(string.hexdigits.encode(), b"0" * len(string.hexdigits))
# What tells such a token from a word: a capital inside of it, or a sign that is no letter.
_NO_WORD = re.compile(r"[A-Z0-9+/=](?:(?<![A-Z])|(?<=[A-Za-z0-9+/].))")
# What is no text becomes lone surrogates, which cannot be printed either; an exception takes three times as long.
_NO_TEXT = "surrogateescape"
_MOST_TOKENS = 200  # of each kind that are looked at; more are data
_FEW_TOKENS = 8 * _MOST_TOKENS  # characters that hold no more
_STRANGE = re.compile(r"[^\x00-\x7f]")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})|\\u00([0-9a-f]{2})|%([0-9a-f]{2})", re.IGNORECASE)
_TAGS = {0xE0000 + code: chr(code) for code in range(0x20, 0x7F)}  # invisible twins of ASCII
# Letters of other scripts, and brackets, that look like Latin ones.
_TWINS = str.maketrans(
    "АВСЕНКМОРТХІЅЈаеорсухіјѕԁтгпкмнвԛԝɡΑΒΕΗΙΚΜΝΟΡΤΧοαειρντυ",
    "ABCEHKMOPTXISJaeopcyxijsdtrnkmhbqwgABEHIKMNOPTXoaeipvtu",
)
_BRACKETS = str.maketrans({"⟦": "[[", "⟧": "]]", "〚": "[[", "〛": "]]", "【": "[", "】": "]", "「": "[", "」": "]"})
_LEET = str.maketrans("013457@$", "oieastas")
_LEET_WORD = re.compile(r"(?<![\w@$])[a-zA-Z]{0,20}+[013457@$][a-zA-Z013457@$]{1,30}+(?![\w@$])")
_SPREAD = re.compile(r"(?<!\w)(?:[^\W_][ .\-_*]){4,200}[^\W_](?!\w)")
_ROT13_HINTS = tuple(codecs.encode(hint, "rot13") for hint in HINTS)
_BACKWARD_HINTS = tuple(hint[::-1] for hint in HINTS)
_LEAST_PADDING, _LEAST_GIBBERISH = 300, 200  # characters; shorter texts repeat themselves by chance
_MOST_CONSTANT = 2_000
_AT_ONCE = 2_000
"""Characters that take less than a switch to another thread and back, and 50 ms whatever they are."""
_LEAST_LINE, _LEAST_LINES = 15, 8  # characters of a line, and how often each must come again
_NO_LETTERS = {code: " " for code in range(128) if not chr(code).isalpha() and chr(code) != "\n"}
_FIGURES, _NO_WORDS = re.compile(r"[\d_]+"), re.compile(r"[^\w\n]+")
_BULLET = re.compile(r"^\s{0,8}[-*•+#]+\s", re.MULTILINE)
_FORMULA = frozenset(FORMULA)
_VOWELS = frozenset("aeiouyäöüéèêáàâóòôíìîúùûåæø")
_CONSONANTS = re.compile(r"[bcdfghjklmnpqrstvwxz]{5}")
_WINDOW, _LEAST_WORDS, _LEAST_MARKS = 60, 15, 6  # words, words, kinds of marks
# A pattern for the beginning of a text need not be tried at every place of it.
_EVERY = tuple(
    (kind, pattern.match if pattern.pattern.startswith(r"\A") else pattern.search)
    for kind, patterns in PATTERNS.items()
    for pattern in patterns
)
_LIKELY = Likely([pattern for patterns in PATTERNS.values() for pattern in patterns])


def suspicions(text: str) -> tuple[str, ...]:
    """The kinds of suspicion that ``text`` raises, sorted.

    They are verdict_label, instruction, delimiter, own_judgment, constant (it answers any question alike), padding and
    gibberish; ``disguised`` stands beside a kind that showed only once the text was decoded or its look-alike and
    invisible characters were replaced. Some 20 us for an ordinary text of 250 characters.
    """
    kinds, signs = _kinds(text), signs_of(text)
    for plain in _undisguised(text, signs):
        hidden = _kinds(plain) - kinds
        if hidden:
            kinds |= hidden | {"disguised"}
    if OPENING in signs and len(text) <= _MOST_CONSTANT and CONSTANT.fullmatch(text):
        kinds.add("constant")
    if _is_padding(text):
        kinds.add("padding")
    if _is_gibberish(text, signs):
        kinds.add("gibberish")
    return tuple(sorted(kinds))


def marks(case: Case) -> tuple[str, ...]:
    """A flag ``suspicious:<candidate>`` for each candidate of ``case`` that raises a suspicion, in the case's order."""
    return tuple(f"suspicious:{one.id}" for one in case.candidates if suspicions(one.completion.text))


class marking:
    """The marks of ``case``, found while the block waits for a model, which has no use for them: await what it gives.

    In a thread, unless the event loop does not feel it: then without a task.
    """

    __slots__ = ("_case", "_found", "_handle", "_task")

    def __init__(self, case: Case) -> None:
        self._case = case
        self._found: tuple[str, ...] | None = None
        self._handle: asyncio.Handle | None = None
        self._task: asyncio.Task[tuple[str, ...]] | None = None

    def __enter__(self) -> Self:
        loop, texts = asyncio.get_running_loop(), [one.completion.text for one in self._case.candidates]
        if sum(map(len, texts)) <= _AT_ONCE and all(map(_LIKELY.is_ready, texts)):
            self._handle = loop.call_soon(self._look)
        else:
            self._task = loop.create_task(asyncio.to_thread(marks, self._case))
        return self

    def __exit__(self, *raised: object) -> None:
        if self._task is not None:
            self._task.cancel()
        elif self._handle is not None:
            self._handle.cancel()

    def __await__(self) -> Generator[object, None, tuple[str, ...]]:
        if self._task is not None:
            return (yield from self._task.__await__())
        if self._found is None:  # the model has answered without a turn of the loop
            self._look()
        return self._found or ()

    def _look(self) -> None:
        if self._found is None:
            self._found = marks(self._case)


def _kinds(text: str) -> set[str]:
    kinds: set[str] = set()
    for at in _LIKELY.among(text):
        kind, found_in = _EVERY[at]
        if kind not in kinds and found_in(text):
            kinds.add(kind)
    return kinds


def _undisguised(text: str, signs: frozenset[int]) -> Iterator[str]:
    """Other readings of ``text``, only where there is a sign that it has one."""
    plain = _without_invisible(_without_escapes(text))
    shown = signs if plain == text else signs_of(plain)
    if LEET in shown:
        plain = _LEET_WORD.sub(lambda found: found.group().translate(_LEET), plain)
        shown = signs_of(plain)
    if SPREAD in shown:
        plain = _SPREAD.sub(lambda found: re.sub(r"[ .\-_*]", "", found.group()), plain)
    if plain != text:
        yield plain
    for token in _messages(text) if BASE64 in signs else ():
        if (decoded := _from_base64(token)) is not None:
            yield decoded
    for token in _hexadecimal(text) if HEX in signs else ():
        if (decoded := _from_hex(token)) is not None:
            yield decoded
    if ROT13 in signs and _has_any(_ROT13_HINTS, text):
        yield codecs.encode(text, "rot13")
    if BACKWARD in signs and _has_any(_BACKWARD_HINTS, text):
        yield text[::-1]


def _has_any(hints: Sequence[str], text: str) -> bool:
    small = text.lower()
    return any(hint in small for hint in hints)


def _without_escapes(text: str) -> str:
    plain = html.unescape(text)
    if not plain.isascii():
        plain = _put(_TWINS, unicodedata.normalize("NFKC", _put(_TAGS, plain)))
    if "\\" in plain or "%" in plain:
        plain = _ESCAPED.sub(lambda found: chr(int(found.group(1) or found.group(2) or found.group(3), 16)), plain)
    return plain


def _without_invisible(text: str) -> str:
    if text.isascii():  # which has no look-alikes and nothing that is invisible
        return text
    gone = {ord(one): None for one in _strange(text) if unicodedata.category(one) in ("Cf", "Mn")}
    return _put({**_BRACKETS, **gone}, text)


def _put(table: Mapping[int, str | int | None], text: str) -> str:
    """``text.translate(table)``, which takes its time with what is not ASCII, where it would change anything."""
    return text.translate(table) if any(ord(one) in table for one in _strange(text)) else text


def _strange(text: str) -> set[str]:
    """The characters of ``text`` that are not ASCII."""
    return set(_STRANGE.findall(text))


def _messages(text: str) -> Sequence[str]:
    """The tokens of ``text`` that may say something in base64, which a mere word does not."""
    if len(text) > _FEW_TOKENS:
        tokens = _BASE64.findall(text)[:_MOST_TOKENS]
    else:
        # Between blanks without such a sign there are only words, and to pass over those takes a fifth of the time.
        tokens, end = [], 0
        while found := _NO_WORD.search(text, end):
            start, end = text.rfind(" ", 0, found.start()) + 1, text.find(" ", found.start())
            end = len(text) if end < 0 else end
            tokens += _BASE64.findall(text, start, end)
    return [token for token in tokens if not (token.isalpha() and token[1:].islower())]


def _hexadecimal(text: str) -> list[str]:
    """The tokens of ``text`` that may say something in hexadecimal pairs."""
    # As bytes, since a str is translated character by character.
    zeroed = text.encode(errors="surrogatepass").translate(_HEX_AS_0).decode(errors="surrogatepass")
    return [text[one.start() : one.end()] for one in islice(_HEX.finditer(zeroed), _MOST_TOKENS)]


def _from_base64(token: str) -> str | None:
    try:
        decoded = binascii.a2b_base64(token + "=" * (-len(token) % 4), strict_mode=True).decode(errors=_NO_TEXT)
    except binascii.Error:
        return None
    return decoded if decoded.replace("\n", " ").isprintable() else None


def _from_hex(token: str) -> str | None:
    try:
        pairs = token.replace(",", "").replace(":", "")
        decoded = bytes.fromhex(pairs).decode(errors=_NO_TEXT)  # which takes blanks between them
    except ValueError:
        return None
    return decoded if decoded.isprintable() else None


def _is_padding(text: str) -> bool:
    """Whether a text says next to nothing for its length: it shrinks to less than a fifteenth, or repeats one line."""
    if len(text) < _LEAST_PADDING:
        return False
    lines = [line for line in text.splitlines() if len(line) > _LEAST_LINE]
    if len(lines) >= _LEAST_LINES:
        said = [line for one in _letters("\n".join(lines)) if len(line := " ".join(one.split())) > _LEAST_LINE]
        if len(said) >= _LEAST_LINES and len(set(said)) * _LEAST_LINES <= len(said):
            return True
    raw = text.encode(errors="surrogatepass")
    return len(zlib.compress(raw)) < len(raw) / 15


def _letters(text: str) -> Sequence[str]:
    """The lines of ``text`` with blanks for all that is no letter."""
    if text.isascii():
        return text.translate(_NO_LETTERS).split("\n")  # a third of the time
    return _NO_WORDS.sub(" ", _FIGURES.sub(" ", text)).split("\n")


def _is_gibberish(text: str, signs: frozenset[int]) -> bool:
    """Whether a stretch of a text is mostly lone punctuation marks or unpronounceable, and not laid out as code."""
    if len(text) < _LEAST_GIBBERISH:
        return False
    if not any(map(str.isalnum, text)):
        return len(set(text) - set(" \n\t|-=_*#.")) > _LEAST_MARKS
    if LONE not in signs and UNPRONOUNCEABLE not in signs:
        return False
    if "|" in text and "|" in text.split():
        return False
    plain = _BULLET.sub("", text)
    words = plain.split()
    laid_out = sum(line[:1] in (" ", "\t") and len(line) > len(line.lstrip()) + 1 for line in plain.splitlines())
    if laid_out > max(2, plain.count("\n") / 2):
        return False
    if LONE in signs:
        lone = [len(word) == 1 and not word.isalnum() and word not in _FORMULA for word in words]
        for start in range(0, max(1, len(words) - _WINDOW // 2), _WINDOW // 2) if any(lone) else ():
            window = lone[start : start + _WINDOW]
            if len(window) >= _WINDOW // 2 and sum(window) > 0.4 * len(window):
                return True
    if UNPRONOUNCEABLE not in signs:
        return False
    latin = [
        word.casefold() for word in words if len(word) > 3 and word.isascii() and word.isalpha() and word.islower()
    ]
    return len(latin) >= _LEAST_WORDS and sum(map(_unpronounceable, latin)) > 0.3 * len(latin)


def _unpronounceable(word: str) -> bool:
    return _VOWELS.isdisjoint(word) or _CONSONANTS.search(word) is not None
