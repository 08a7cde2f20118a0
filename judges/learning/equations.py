"""The equations between plain numbers that a text states, in the forms in which models write them.

Read are brackets, chains (``2 * 3 + 1 = 6 + 1 = 7``), percentages, units between the numbers, escaped signs and a
little LaTeX. What holds a variable or a power is left alone, and so are amounts of different units that are added.
Nothing is run.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

MOST = 60
"""Equations of a text, and tokens of a side, that are read: more would let a long text take long."""
_SPELLINGS = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        (r"(?m)^[ \t]*(?:[-*+•]|\d+[.)])[ \t]+", ""),
        (r"(?<=\d),(?=\d{3}(?!\d))", ""),
        (r"\\d?frac\{([\d.]+)\}\{([\d.]+)\}", r"(\1/\2)"),
        (r"\\(?:times|cdot)(?![a-z])|[×·]", "*"),
        (r"\\div(?![a-z])|÷", "/"),
        (r"\\([*$%()\[\]])", r"\1"),
        (r"[−–]", "-"),
        (r"[$€£]", ""),
        (r"(?<=\d) ?(?:cents?\b|¢)", "%"),
        (r"(?<=[\d)%]) ?[xX] ?(?=[\d(])", "*"),
        (r"(?<=[a-z]) [xX] (?=[\d(])", " * "),
        (r"% of (?=[\d(])", "% * "),
    )
)
_TOKEN = re.compile(
    r"(?P<number>(?<![\w.])(?:\d+(?:\.\d+)?|\.\d+)(?!\w|\.\d))|(?P<sign>[-+*/()%])|(?P<equal>=)|(?P<word>\w[\w'.]*)"
    r"|(?P<other>[^ \t])"
)
_POWERS = ("^", "√", "!")
_NOT_UNITS = frozenset(
    {"and", "are", "for", "from", "if", "is", "less", "more", "of", "or", "plus", "than", "then", "to"}
    | {"dozen", "dozens", "hundred", "thousand", "million"}
)
_UNIT_WORDS = 2
"""Words between a number and the sign behind it that are its unit."""
_UNREADABLE = "?"
_DEEPEST = 20
_Token = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """One equation: what is reckoned with, the signs between, the result as stated, and whether that is wrong."""

    operands: tuple[float, ...]
    signs: str
    result: float
    wrong: bool


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of an equation; ``decimals`` where it is a single number."""

    value: float
    operands: tuple[float, ...]
    signs: str
    percent: bool
    decimals: int | None


class _Unreadable(Exception):
    """A side is no sum of plain numbers."""


def steps(text: str) -> Sequence[Step]:
    """The first ``MOST`` equations that ``text`` states and that can be read, each once."""
    found: dict[tuple[tuple[float, ...], str, float], Step] = {}
    for run in _runs(plain(text)):
        sides = [_side(one) for one in run]
        for left, right in pairwise(sides):
            if left is None or right is None or not left.signs:
                continue
            key = (left.operands, left.signs, right.value)
            found.setdefault(key, Step(*key, wrong=not _same(left, right)))
            if len(found) >= MOST:
                return list(found.values())
    return list(found.values())


def plain(text: str) -> str:
    """``text`` with one spelling of numbers and signs, and without the marks of lists."""
    for pattern, put in _SPELLINGS:
        text = pattern.sub(put, text)
    return text


def number(written: str) -> float:
    """A number as it is written, up to 1e12."""
    return min(1e12, float(written[:15]))


def _runs(text: str) -> Iterator[Sequence[Sequence[str]]]:
    """Equations as their sides: stretches of numbers, signs and ``=`` that nothing but units interrupts."""
    tokens: list[_Token] = [(str(one.lastgroup), one.group()) for one in _TOKEN.finditer(text)]
    tokens.append(("other", "\n"))
    run: list[list[str]] = [[]]
    units: set[str] = set()
    place = 0
    while place < len(tokens):
        kind, sign = tokens[place]
        place += 1
        if kind in ("number", "sign"):
            if run == [[]] and sign == "-" and place > 1 and tokens[place - 2][0] == "word":
                run[-1].append(_UNREADABLE)  # it takes something from what the word stands for
            run[-1].append(sign)
            if kind == "number" or sign in ")%":
                unit, place = _unit(tokens, place)
                units |= unit
            continue
        if len(units) > 1 and ("+" in run[-1] or "-" in run[-1]):
            run[-1].append(_UNREADABLE)
        units = set()
        if kind == "equal":
            run.append([])
            continue
        if sign in _POWERS or (run[-1] and run[-1][-1] in "+-*/"):
            run[-1].append(_UNREADABLE)
        if len(run) > 1:
            yield run
        run = [[_UNREADABLE] if sign in _POWERS else []]


def _unit(tokens: Sequence[_Token], place: int) -> tuple[set[str], int]:
    """The unit that stands at ``place``, if any, and where it ends; a sign or the end of the side must follow it."""
    here = place
    words: list[str] = []
    while here < len(tokens) and tokens[here][0] == "word" and len(words) < _UNIT_WORDS:
        word = tokens[here][1]
        if len(word) < 2 or not word.isalpha() or word.lower() in _NOT_UNITS:
            return set(), place
        words.append(word.lower().rstrip("s"))
        here += 1
    if here + 1 < len(tokens) and tokens[here][1] == "/" and tokens[here + 1][0] == "word":
        here += 2
    follows = here < len(tokens) and (tokens[here][0] == "equal" or tokens[here][1] in "-+*/)")
    return ({" ".join(words)} if words else set(), here) if follows else (set(), place)


def _side(tokens: Sequence[str]) -> _Side | None:
    """A side of an equation; None where it is no sum of plain numbers."""
    if len(tokens) > MOST:
        return None
    tokens = list(tokens)
    # A bracket may have been opened before, or open a remark behind.
    while tokens and (tokens[-1] == "(" or (tokens[-1] == ")" and tokens.count(")") > tokens.count("("))):
        tokens.pop()
    while tokens and tokens[0] == "(" and tokens.count("(") > tokens.count(")"):
        tokens.pop(0)
    if tokens.count("/") > 1 and "(" not in tokens:
        return None  # 7 / 1 / 2 may be meant as 14
    try:
        value, end = _sum(tokens, 0, 0)
    except _Unreadable:
        return None
    if end != len(tokens) or not math.isfinite(value):
        return None
    figures = [one for one in tokens if one not in "+-*/()%"]
    signs = "".join(one for one in tokens[1:] if one in "+-*/")
    decimals = min(9, len(figures[0].partition(".")[2])) if len(figures) == 1 else None
    return _Side(value, tuple(map(number, figures)), signs, "%" in tokens, decimals)


def _sum(tokens: Sequence[str], place: int, depth: int) -> tuple[float, int]:
    value, place = _product(tokens, place, depth)
    while place < len(tokens) and tokens[place] in "+-":
        term, after = _product(tokens, place + 1, depth)
        value, place = value + term if tokens[place] == "+" else value - term, after
    return value, place


def _product(tokens: Sequence[str], place: int, depth: int) -> tuple[float, int]:
    value, place = _factor(tokens, place, depth)
    while place < len(tokens) and tokens[place] in "*/":
        factor, after = _factor(tokens, place + 1, depth)
        if tokens[place] == "/" and not factor:
            raise _Unreadable
        value, place = value * factor if tokens[place] == "*" else value / factor, after
    return value, place


def _factor(tokens: Sequence[str], place: int, depth: int) -> tuple[float, int]:
    if place >= len(tokens) or depth > _DEEPEST:
        raise _Unreadable
    here = tokens[place]
    place += 1
    if here == "-":
        value, place = _factor(tokens, place, depth + 1)
        return -value, place
    if here == "(":
        value, place = _sum(tokens, place, depth + 1)
        if place >= len(tokens) or tokens[place] != ")":
            raise _Unreadable
        place += 1
    elif here[0].isdigit() or here[0] == ".":
        value = number(here)
    else:
        raise _Unreadable
    return (value / 100, place + 1) if place < len(tokens) and tokens[place] == "%" else (value, place)


def _same(left: _Side, right: _Side) -> bool:
    """Whether both are equal, to the decimals in which the right one is written; a share may stand as a percentage."""
    readings = [(left.value, right.value)]
    if left.percent or right.percent:
        readings += [(left.value, 100 * right.value), (100 * left.value, right.value)]
    slack = 10.0 ** -(2 if right.decimals is None else right.decimals)
    return any(
        # Rounded or cut at its last digit; where nothing had to be rounded it is exact.
        abs(value - stated) < (1e-6 * max(1.0, abs(value)) if value.is_integer() and stated.is_integer() else slack)
        for value, stated in readings
    )
