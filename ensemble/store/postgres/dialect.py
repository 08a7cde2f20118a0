"""SQLite's SQL as PostgreSQL reads it: every statement of the log has one text, written for SQLite.

What PostgreSQL lacks under a name of SQLite's (``json_each``, ``total``, the ``max`` of two numbers, ...) are functions
in the log's own schema (``functions.sql``). What is left is of the grammar: parameters, hints, the comparison that
takes NULL for equal to NULL, names of subqueries, and the beginning of a transaction.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ensemble.store.database import Values

_PIECE = re.compile(
    r"""(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<comment>--[^\n]*|/\*.*?\*/)
    |(?P<cast>::)
    |(?P<place>\?\d*|:[A-Za-z_]\w*)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<space>\s+)
    |(?P<number>\d[\w.]*)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_UNTOUCHED = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/)""", re.DOTALL)
"""Texts, quoted names and comments, which are left as they are."""
_AFTER_SUBQUERY = frozenset({
    "WHERE", "GROUP", "ORDER", "LIMIT", "ON", "JOIN", "LEFT", "CROSS", "INNER", "UNION", "EXCEPT", "INTERSECT",
    "HAVING", "USING", "WINDOW", "NATURAL", "FULL", "RIGHT",
})  # fmt: skip
_RENAMED = {"json_array": "json_build_array", "json_object": "json_build_object"}
_HINT = re.compile(r"\b(?:NOT\s+INDEXED|INDEXED\s+BY\s+\w+)\b", re.IGNORECASE)
_SAME = re.compile(r"\bIS\s+(NOT\s+)?(?=[?:])", re.IGNORECASE)
_IGNORING = re.compile(r"\bINSERT\s+OR\s+IGNORE\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement for PostgreSQL.

    Attributes:
        text: with ``$1``, ``$2``, ...
        names: of the parameters, in order, where they have names.
        count: how many parameters there are.
        rowid: it asks for the number of a row, which ``*`` does not tell.
    """

    text: str
    names: tuple[str, ...]
    count: int
    rowid: bool

    def values(self, given: Values) -> Sequence[Any]:
        """``given`` in the order of the parameters.

        Raises:
            KeyError: a name is missing.
        """
        if isinstance(given, dict):
            return [given[name] for name in self.names]
        return given


@lru_cache(maxsize=2048)
def translate(sql: str) -> Statement:
    """The statement that ``sql`` is for PostgreSQL."""
    told = "".join(part if at % 2 else _reworded(part) for at, part in enumerate(_UNTOUCHED.split(sql)))
    if _IGNORING.search(told):
        told = _IGNORING.sub("INSERT", told).rstrip().rstrip(";") + " ON CONFLICT DO NOTHING"
    names: dict[str, int] = {}
    count, out = 0, list[str]()
    for found in _PIECE.finditer(told):
        piece, kind = found[0], found.lastgroup
        if kind == "place":
            if piece == "?":
                count += 1
                piece = f"${count}"
            elif piece[0] == "?":
                count = max(count, int(piece[1:]))
                piece = f"${piece[1:]}"
            else:
                piece = f"${names.setdefault(piece[1:], len(names) + 1)}"
                count = len(names)
        elif kind == "word" and piece.lower() in _RENAMED:
            piece = _RENAMED[piece.lower()]
        out.append(piece)
    return Statement(_named("".join(out)), tuple(names), count, rowid="rowid" in sql.lower())


def _reworded(sql: str) -> str:
    told = _HINT.sub("", sql)
    return _SAME.sub(lambda found: "IS DISTINCT FROM " if found[1] else "IS NOT DISTINCT FROM ", told)


def _named(sql: str) -> str:
    """``sql`` with a name for every subquery in FROM that has none, which PostgreSQL 15 demands."""
    pieces = [(found.lastgroup, found[0]) for found in _PIECE.finditer(sql)]
    told = [at for at, (kind, _) in enumerate(pieces) if kind not in ("space", "comment")]
    stack: list[bool] = []
    last, inserted = "", dict[int, str]()
    for place, at in enumerate(told):
        piece = pieces[at][1]
        if piece == "(":
            following = pieces[told[place + 1]][1].upper() if place + 1 < len(told) else ""
            stack.append(last in ("FROM", "JOIN") and following in ("SELECT", "WITH", "VALUES"))
        elif piece == ")" and stack and stack.pop():
            kind, next_ = pieces[told[place + 1]] if place + 1 < len(told) else ("", "")
            if kind != "word" or next_.upper() in _AFTER_SUBQUERY:
                inserted[at] = f") AS _s{at}"
        last = piece.upper()
    return "".join(inserted.get(at, piece) for at, (_, piece) in enumerate(pieces))
