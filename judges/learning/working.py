"""The working that an answer shows, as figures: are its sums right, and what became of their results?

A right answer mostly uses what the question gives, carries each result on to a later step, and ends in one of them.
"""

import math
import re
from collections.abc import Iterable

from judges.learning.equations import Step, number, plain, steps

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)")
_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TEENS = ("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SPELT = {word: float(value) for value, word in enumerate((*_ONES, *_TEENS, "twenty"))}
_SPELT |= {word: 10.0 * tens for tens, word in enumerate(_TENS, 3)}
_SPELT |= {"hundred": 100.0, "thousand": 1000.0, "half": 0.5, "halves": 0.5, "quarter": 0.25, "third": 1 / 3}
_SPELT |= dict.fromkeys(("twice", "double", "doubled", "doubles", "couple", "pair"), 2.0)
_SPELT |= {**dict.fromkeys(("thrice", "triple", "tripled", "triples"), 3.0), "dozen": 12.0, "dozens": 12.0}
_WORD = re.compile(rf"\b(?:{'|'.join(_SPELT)})\b")
_USUAL = frozenset({0.0, 0.5, 1.0, 2.0, 4.0, 7.0, 10.0, 12.0, 24.0, 30.0, 52.0, 60.0, 100.0, 365.0, 1000.0, 3600.0})
"""Numbers that nobody need give: of days, hours and percent, to halve and to double."""
_ENDING = re.compile(r"####\s*([^\n]*)|\\boxed\{([^{}]*)\}|\banswer(?: is|:)\s*([^\n]*)", re.IGNORECASE)
_CLOSED = re.compile(r"[.!?)\]}\"*`'>:|]$")
WIDTH = 17
"""Figures of an answer's working."""


def measure_working(question: str, answer: str) -> list[float]:
    """``WIDTH`` figures of how the sums of ``answer`` use what ``question`` gives, and what it ends in.

    All are 0 where no working is shown, but for whether it breaks off: else they would tell of the question alone.
    """
    found, end = steps(answer), _end(plain(answer))
    if not found:
        return [*[0.0] * (WIDTH - 1), float(_breaks_off(answer))]
    given = _values(plain(question))
    spelt = {_SPELT[one] for one in _WORD.findall(question.lower())}
    used = {_key(one) for step in found for one in step.operands}
    many = sum(len(step.operands) for step in found)
    results = {_key(step.result) for step in found}
    idle = len(results - used - {end})
    loose = _loose(found, given | {_key(one) for one in spelt})
    unused = sum(not _scaled(one, used) for one in given)
    wrong = sum(step.wrong for step in found)
    return [
        math.sqrt(len(found)),
        float(wrong),
        float(not wrong),
        float(loose),
        loose / max(1, many),
        float(idle),
        idle / max(1, len(results)),
        float(unused),
        unused / max(1, len(given)),
        float(sum(not _scaled(one, used) and _key(1 / max(one, 1e-9)) not in used for one in spelt)),
        float(_depth(found)),
        float(len(given) + len(spelt) - len(found)),
        float(_key(found[-1].result) == end),
        float(end in results),
        float(end is None),
        float(any(one < 0 for one in results)),
        float(_breaks_off(answer)),
    ]


def _loose(found: Iterable[Step], known: set[float]) -> int:
    """How many numbers are reckoned with that neither the question nor a step before gives."""
    results: set[float] = set()
    many = 0
    for step in found:
        many += sum(one not in _USUAL and not _scaled(one, known) and _key(one) not in results for one in step.operands)
        results.add(_key(step.result))
    return many


def _depth(found: Iterable[Step]) -> int:
    """Steps of the longest chain in which each uses the result of the one before."""
    depth: dict[float, int] = {}
    for step in found:
        result = _key(step.result)
        before = max((depth.get(_key(one), 0) for one in step.operands), default=0)
        depth[result] = max(before + 1, depth.get(result, 0))
    return max(depth.values(), default=0)


def _end(text: str) -> float | None:
    """The number that the answer comes to: the first behind its last mark, else the last of its last line."""
    marks = list(_ENDING.finditer(text))
    if marks:
        said = _NUMBER.findall(next(one for one in marks[-1].groups() if one is not None))[:1]
    else:
        said = _NUMBER.findall(_last_line(text))[-1:]
    return _key(number(said[0])) if said else None


def _breaks_off(answer: str) -> bool:
    """Whether the last line neither ends as a sentence does nor stands behind a mark, so that more was to come."""
    last = _last_line(answer)
    return bool(last) and not _ENDING.search(last) and not _CLOSED.search(last)


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2]


def _values(text: str) -> set[float]:
    return {_key(number(one)) for one in _NUMBER.findall(text)}


def _key(value: float) -> float:
    """Equal for numbers that differ by rounding alone."""
    return float(f"{value:.6g}")


def _scaled(value: float, others: set[float]) -> bool:
    """Whether ``value`` is among ``others``, as it is or as a percentage."""
    return not others.isdisjoint((_key(value), _key(value / 100), _key(value * 100)))
