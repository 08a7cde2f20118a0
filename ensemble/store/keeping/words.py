"""Words of texts as FTS5 takes them apart, and queries in its syntax as PostgreSQL reads them.

SQLite in memory does the first and says what a query is, so both engines find the same and refuse the same. Blocking.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

TOKENS = "unicode61 remove_diacritics 2"
"""How the indexes of a SQLite log take texts apart."""
_LAST, _PLACES = 16_383, 255
"""The highest position that a tsvector knows, and how many of one word it keeps."""
_LONGEST, _WHOLE = 2_046, 1_000_000
"""Bytes of a word, and of all words of one text, of which a tsvector takes no more."""
_NEAR, _FAR = 10, 30
"""Words between the parts of NEAR where none is said, and from where on they only have to be in the same text."""


class Word(NamedTuple):
    """A word as it is compared, and its place in the text, from 0."""

    text: str
    place: int


def words_of(texts: Sequence[str]) -> list[list[Word]]:
    """The words of each text, in their order."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute(f"CREATE VIRTUAL TABLE t USING fts5(text, content='', tokenize='{TOKENS}')")
        db.execute("CREATE VIRTUAL TABLE v USING fts5vocab(t, instance)")
        db.executemany("INSERT INTO t (rowid, text) VALUES (?, ?)", enumerate(texts))
        found: list[list[Word]] = [[] for _ in texts]
        for word, text, place in db.execute("SELECT term, doc, offset FROM v"):
            found[text].append(Word(word, place))
    return [sorted(words, key=lambda word: word.place) for words in found]


def check(query: str) -> None:
    """Raise sqlite3.OperationalError where ``query`` is none in the syntax of FTS5."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute(f"CREATE VIRTUAL TABLE t USING fts5(text, content='', tokenize='{TOKENS}')")
        db.execute("SELECT 1 FROM t WHERE t MATCH ?", [query]).fetchall()


def vector(words: Sequence[Word]) -> str:
    """``words`` as the text of a tsvector; the first of a text has weight A, for queries that begin with ``^``."""
    places: dict[str, list[str]] = {}
    size = 0
    for word, place in words:
        if len(word.encode()) > _LONGEST:
            continue
        if word not in places:
            size += len(word.encode()) + 8
        size += 4
        if size > _WHOLE:
            break
        held = places.setdefault(word, [])
        if len(held) < _PLACES:
            held.append("1A" if place == 0 else str(min(place + 1, _LAST)))
    return " ".join(f"{_quoted(word)}:{','.join(at)}" for word, at in places.items())


def tsquery(query: str) -> str:
    """``query`` as the text of a tsquery.

    NEAR of more than two parts, or of phrases, asks only that all of them are in the text.

    Raises:
        sqlite3.OperationalError: it is no query.
    """
    check(query)
    return _Reader(query).whole() or _NEVER


def _quoted(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


class _Part(NamedTuple):
    """A word of a phrase; ``stem`` stands for all that begin so."""

    text: str
    stem: bool


_SIGNS = re.compile(r'\s+|"(?:[^"]|"")*"|[A-Za-z0-9_\x1a\x80-\U0010ffff]+|[^\s]')
_BARE = re.compile(r"[A-Za-z0-9_\x1a\x80-\U0010ffff]")
_WORKS = ("AND", "OR", "NOT")
_NEVER = "('a' & !'a')"


class _Reader:
    """Reads a query that FTS5 has found to be one. Each step returns a tsquery, or None for what finds nothing.

    Grammar: https://www.sqlite.org/fts5.html#full_text_query_syntax
    """

    def __init__(self, query: str) -> None:
        self._signs = [sign for sign in _SIGNS.findall(query) if not sign.isspace()]
        self._at = 0

    def whole(self) -> str | None:
        return self._either()

    def _next(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._signs[at] if at < len(self._signs) else ""

    def _took(self, sign: str) -> bool:
        if self._next() != sign:
            return False
        self._at += 1
        return True

    def _either(self) -> str | None:
        found = [self._both()]
        while self._took("OR"):
            found.append(self._both())
        some = [one for one in found if one is not None]
        return f"({' | '.join(some)})" if some else None

    def _both(self) -> str | None:
        found = [self._without()]
        while self._took("AND"):
            found.append(self._without())
        every = [one for one in found if one is not None]
        return f"({' & '.join(every)})" if len(every) == len(found) else None

    def _without(self) -> str | None:
        found = self._beside()
        while self._took("NOT"):
            less = self._beside()
            if found is not None and less is not None:
                found = f"({found} & !{less})"
        return found

    def _beside(self) -> str | None:
        """Parts that follow one another; those without a word are not there."""
        found: list[str] = []
        while self._next() and self._next() != ")" and self._next() not in _WORKS:
            one = self._one()
            if one is not None:
                found.append(one)
        return f"({' & '.join(found)})" if found else None

    def _one(self) -> str | None:
        meant = not self._took("-")
        if self._columns():
            found = self._one()
            return found if meant or found is None else _NEVER
        if self._took("("):
            found = self._either()
            self._took(")")
            return found
        if self._next() == "NEAR" and self._next(1) == "(":
            return self._near()
        first = self._took("^")
        return _phrase(self._parts(), first=first)

    def _columns(self) -> bool:
        """Skip names of columns, of which there is one; return whether there were any."""
        if self._next() == "{":
            self._at = self._signs.index(":", self._at) + 1
        elif self._next(1) == ":":
            self._at += 2
        else:
            return False
        return True

    def _parts(self) -> list[_Part]:
        """A phrase: strings with ``+`` between them, each of one word or more."""
        found: list[_Part] = []
        while True:
            text = self._next()
            self._at += 1
            words = words_of([text[1:-1].replace('""', '"') if text.startswith('"') else text])[0]
            found += [_Part(word.text, stem=False) for word in words]
            # The mark is the last word's, also where this string has none.
            stem = self._took("*")
            found[-1:] = [_Part(word.text, stem=stem) for word in found[-1:]]
            if not self._took("+"):
                return found

    def _near(self) -> str | None:
        self._at += 2
        phrases: list[list[_Part]] = []
        apart = _NEAR
        while not self._took(")"):
            if self._took(","):
                apart = int(self._next())
                self._at += 1
            else:
                phrases.append(self._parts())
        some = [phrase for phrase in phrases if phrase]
        if len(some) == 2 and apart <= _FAR and all(len(phrase) == 1 for phrase in some):
            one, other = (_word(phrase[0]) for phrase in some)
            both = (f"{a} <{n}> {b}" for n in range(apart + 2) for a, b in ((one, other), (other, one)))
            return f"({' | '.join(both)})"
        every = [found for phrase in some if (found := _phrase(phrase)) is not None]
        return f"({' & '.join(every)})" if every else None


def _phrase(parts: Sequence[_Part], *, first: bool = False) -> str | None:
    words: Iterator[str] = (_word(part, first=first and at == 0) for at, part in enumerate(parts))
    return f"({' <-> '.join(words)})" if parts else None


def _word(part: _Part, *, first: bool = False) -> str:
    marks = f"{'*' if part.stem else ''}{'A' if first else ''}"
    return f"{_quoted(part.text)}{':' if marks else ''}{marks}"
