"""Texts as numbers: the same for whoever fits and whoever serves.

Only forms are counted (lengths, numbers, signs, common words), never what a text says of somebody. Every figure is
bounded, so that a hostile text cannot push a prediction to infinity.
"""

import math
import re
from collections.abc import Iterable, Sequence

from judges.learning.working import WIDTH as WORKING
from judges.learning.working import measure_working

LONGEST = 12_000
"""Characters of a text that are read: the first and the last half of them, since tasks stand at either end."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[A-Za-z']+")
_SENTENCE = re.compile(r"[.!?](?:\s|$)")
_OPTION = re.compile(r"\n\s*\(?[A-J][.)]\s*(.*)")
_SIGNS = re.compile(r"[\\{}^_=+*/<>|~]")
_RESULT = re.compile(r"=\s*\$?\s*(\d[\d,]*\.?\d*)")
_MARKED = re.compile(r"####\s*\$?(\d[\d,.]*)")
_DOUBT = re.compile(r"however|since|but |mistake|wait")
_GUESS = re.compile(r"assum|let.s (?:say|call)|unknown|equation|solve")
_REFUSAL = re.compile(r"cannot|unclear|not enough|sorry|i don.t know")

_WORDS = (
    "each|every",
    "half",
    "twice|double|triple|times",
    "percent|%",
    "per",
    "more than|less than|fewer",
    "remain|left",
    "total|altogether",
    "if",
    "average|ratio",
    "than",
    "first|second|third",
    "week|day|month|year|hour|minute",
    "cost|price|dollar",
    "not|except",
    "following|which",
    "how many|how much",
    "who|when|where",
    "why|how",
    "true|false|statement",
    "rate|speed|mile",
    "function|code|python",
    "write|create|prove|find",
)
_COUNTED = tuple(re.compile(rf"(?<![a-z])(?:{words})") for words in _WORDS)
WIDTH = 27 + len(_WORDS)
"""Figures per text."""
PAIR = 2 * WIDTH + 28 + WORKING
"""Figures per question with its answer."""


def clipped(text: str) -> str:
    """``text`` without its middle where it is very long; a model reads no more of it."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]}\n{text[-half:]}"


def measure(text: str) -> list[float]:
    """``WIDTH`` figures of ``text``."""
    text = clipped(text)
    low, words, numbers = text.lower(), _WORD.findall(text), _NUMBER.findall(text)
    size, many = max(1, len(text)), max(1, len(words))
    sentences = max(1, len(_SENTENCE.findall(text)))
    options = [len(one) for one in _OPTION.findall(text)]
    stem = re.split(r"\n\s*\(?A[.)]", text, maxsplit=1)[0]
    values = _values(numbers)
    figures = [
        math.log1p(len(text)),
        math.log1p(len(words)),
        math.log1p(len(numbers)),
        math.sqrt(sentences),
        min(10.0, many / sentences / 10),
        min(20.0, sum(map(len, words)) / many),
        len({word.lower() for word in words}) / many,
        float("%" in text),
        float("$" in text),
        math.log1p(max(values, default=0.0)),
        float(any("." in one for one in numbers)),
        float("/" in text),
        math.log1p(text.count(",")),
        math.log1p(text.count("\n")),
        min(10.0, text.count("?")),
        math.log1p(len(stem)),
        float(len(options)),
        math.log1p(sum(options) / len(options)) if options else 0.0,
        math.log1p(max(options, default=0) - min(options, default=0)),
        sum(not one.isascii() for one in text) / size,
        sum(one.isupper() for one in text) / size,
        sum(one.isdigit() for one in text) / size,
        len(_SIGNS.findall(text)) / size,
        len(set(numbers)) / max(1, len(numbers)),
        math.log1p(len({word for word in words if word[0].isupper()})),
        float("```" in text or "def " in text or "assert " in text),
        float("\\" in text),
    ]
    return [*figures, *(math.log1p(len(pattern.findall(low))) for pattern in _COUNTED)]


def measure_pair(question: str, answer: str, asked_for: Sequence[float] | None = None) -> list[float]:
    """``PAIR`` figures of an answer to a question: those of either text, and how the one fits the other.

    ``asked_for`` are the figures of the question, where they are known already.
    """
    asked, said = _values(_NUMBER.findall(clipped(question))), _values(_NUMBER.findall(clipped(answer)))
    return [
        *(asked_for or measure(question)),
        *measure(answer),
        *_fit(question, clipped(answer), asked, said),
        *measure_working(clipped(question), clipped(answer)),
    ]


def _fit(question: str, answer: str, asked: Sequence[float], said: Sequence[float]) -> list[float]:
    """How the answer fits the question: what it ends in, and which numbers it uses."""
    low, known = answer.lower(), set(asked)
    results = _values(_RESULT.findall(answer))
    marked = _MARKED.search(answer)
    final = (_values([marked.group(1).rstrip(".,")]) if marked else said[-1:]) or [0.0]
    end = final[0]
    new = [one for one in said if one not in known and one not in results]
    steps = answer.strip().count("\n")
    return [
        math.log1p(len(answer)) - math.log1p(len(question)),
        len(known & set(said)) / max(1, len(known)),
        float(len(known - set(said))),
        math.log1p(len(new)),
        len(new) / max(1, len(said)),
        float(end in known),
        float(bool(results) and end == results[-1]),
        float(said.count(end)),
        math.log1p(end),
        float(not end.is_integer()),
        float(end > max(asked, default=0.0)),
        float(end < min(asked, default=0.0)),
        float(marked is not None),
        float("\\boxed" in answer),
        float(marked is not None and not end.is_integer()),
        float(len(results)),
        float(len(set(results))),
        float(sum(not one.is_integer() for one in results)),
        float(max(said, default=0.0) > 10 * max(asked, default=1.0)),
        float(steps),
        math.log1p(len(answer) / (steps + 1)),
        float(answer.count("<<")),
        float(answer.strip().endswith(".")),
        float(len(_DOUBT.findall(low))),
        float(len(_GUESS.findall(low))),
        float(len(_REFUSAL.findall(low))),
        float(low.count("if ")),
        float(len(re.findall(r"\d/\d", answer))),
    ]


def _values(numbers: Iterable[str]) -> Sequence[float]:
    """Numbers as values up to 1e12; what is longer is no amount."""
    found = []
    for number in numbers:
        plain = number.replace(",", "")
        if len(plain) <= 15 and plain.count(".") <= 1:
            found.append(min(1e12, float(plain)))
    return found
