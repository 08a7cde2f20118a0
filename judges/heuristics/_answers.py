"""The final answer of a text, in a form in which equal answers are equal strings."""

import re
from fractions import Fraction
from functools import lru_cache

from judges.types import Completion
from judges.values import value_of

_NUMBER = r"[-+−]?\$?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s?/\s?\d+)?%?"
_ANY_NUMBER = re.compile(rf"(?<![\w.,/]){_NUMBER}(?![\w/])")
_WHOLE_NUMBER = re.compile(rf"{_NUMBER}(?:\s?[A-Za-z°€£]+\.?){{0,3}}")
_CHOICE = re.compile(r"(?:option |choice )?[(\[]?([A-J])[)\].:]*(?:[\s)].*)?", re.DOTALL | re.IGNORECASE)
_BARE_CHOICE = re.compile(r"(?:option |choice )?[(\[]?([A-Ja-j])[)\].]*", re.IGNORECASE)
_STATED = re.compile(
    r"(?:####(?=\s*[-+$]?\d)|\b(?:answer|(?:final|correct|right|best)\s(?:choice|option))\s*(?:is|would be|:|=)+)"
    r"[ \t:*_`]*\n?(?P<said>[^\n]+)",
    re.IGNORECASE,
)
_ASKS_NUMBER = re.compile(
    r"how (?:many|much|far|long|old|tall|fast)|calculate|compute|\bsolve|what (?:is|are) the "
    r"(?:sum|product|value|total|number|area|volume|probability|average|remainder)|\d\s*[+*×÷^]\s*\d|\d\s-\s\d",
    re.IGNORECASE,
)
_LIST_ITEM = re.compile(r"\s*(?:\d+[.)]|[-*•#])\s")
_SHORT = 40  # characters; a text that is no longer is its own answer


def final_answer(text: str, question: str = "") -> str | None:
    r"""The answer that ``text`` ends in, normalized, or None where none can be told for sure.

    Looked for in this order: the last ``\boxed{}``; the last "answer is ..." or "#### ..."; a text so short that it is
    the answer; the only number of the last line, or the one after its "=", where ``question`` asks for a number.
    """
    text = text.strip()
    if (boxed := _boxed(text)) is not None:
        return normal(boxed)
    # The pattern begins with any case of any of its words, so it is tried at each character: 60 times this price.
    if may_state(text) and (stated := [match["said"] for match in _STATED.finditer(text)]):
        return _stated(_first_clause(stated[-1]), question)
    number = _closing_number(text) if _asks_number(question) else None
    if text and len(text) <= _SHORT and "\n" not in text:
        short = normal(text)
        return number or short if short is None or short.startswith("text ") else short
    return number


def may_state(text: str) -> bool:
    """Whether ``text`` holds a word without which it states no answer."""
    # Where case is ignored all of i, ı and İ are equal, though casefold() does not make them so.
    folded = text.replace("ı", "i").replace("İ", "i").casefold()
    return "####" in folded or "answer" in folded or "choice" in folded or "option" in folded


def answer_of(said: Completion, question: str = "") -> str | None:
    """What ``said`` comes to: the value of its tool calls or its JSON, else the final answer of its text."""
    return value_of(said) or final_answer(said.text, question)


def normal(answer: str) -> str | None:
    """One spelling for equal answers: numbers as exact fractions, choices as a letter, text without case or marks."""
    bare = re.sub(r"\\(?:text|mathrm|mathbf)\{([^{}]*)\}", r"\1", answer)
    bare = re.sub(r"\\d?frac\{(-?\d+)\}\{(\d+)\}", r"\1/\2", bare)
    bare = re.sub(r"\\[,;! ]|\\left|\\right|[*_`$\\]", "", bare).strip().strip(".,;:!\"'“”").strip()
    if not bare:
        return None
    if _WHOLE_NUMBER.fullmatch(bare):
        found = _ANY_NUMBER.search(bare)
        return _number(found.group()) if found else None
    if choice := _BARE_CHOICE.fullmatch(bare):
        return f"choice {choice.group(1).lower()}"
    if re.match(r"[(\[]?[A-J][)\].:]", bare) and (choice := _CHOICE.fullmatch(bare)):
        return f"choice {choice.group(1).lower()}"
    # A name is the same in any case; in a sentence the case may be what was asked for.
    words = re.sub(r"[^\w\s.+/^=<>()-]", "", bare.casefold() if bare.count(" ") < 3 else bare).split()
    return f"text {' '.join(words)}" if any(map(str.isalnum, "".join(words))) else None


def equal(one: str, other: str, tolerance: float) -> bool:
    """Whether two normalized answers are the same; numbers of one kind may differ by a share of the larger."""
    if one == other:
        return True
    (kind, _, said), (other_kind, _, other_said) = one.partition(" "), other.partition(" ")
    if kind != "number" or other_kind != "number" or said.endswith("%") != other_said.endswith("%"):
        return False
    left, right = Fraction(said.rstrip("%")), Fraction(other_said.rstrip("%"))
    return abs(left - right) <= Fraction(tolerance) * max(abs(left), abs(right))


def _boxed(text: str) -> str | None:
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth, begin = 1, start + len("\\boxed{")
    for place in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[begin:place]
    return None


def _stated(said: str, question: str) -> str | None:
    """A stated answer; one in whole sentences counts by its number, where a number is asked and there is only one."""
    found = normal(said)
    if found is None or not found.startswith("text ") or len(said) <= _SHORT // 2:
        return found
    numbers = _ANY_NUMBER.findall(said) if _asks_number(question) else []
    if len(numbers) == 1:
        return _number(numbers[0])
    return found if len(said) <= _SHORT else None


@lru_cache(maxsize=8)
def _asks_number(question: str) -> bool:
    """Whether a number is asked for; kept, since the answers to one question are read one after another."""
    return _ASKS_NUMBER.search(question) is not None


def _first_clause(said: str) -> str:
    """What is stated, up to the end of its sentence; a point inside a number ends nothing."""
    return re.split(
        r"[.!?;](?:\s|$)|\s(?:because|since|as|which|where|and not)\s", said.strip().strip("*_ "), maxsplit=1
    )[0]


def _closing_number(text: str) -> str | None:
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or _LIST_ITEM.match(lines[-1]):
        return None
    last = lines[-1].rpartition("=")[2] if "=" in lines[-1] else lines[-1]
    numbers = _ANY_NUMBER.findall(last)
    return _number(numbers[0]) if len(numbers) == 1 else None


def _number(text: str) -> str | None:
    percent = text.endswith("%")
    plain = re.sub(r"[\s,$%]", "", text).replace("−", "-")
    try:
        value = str(Fraction(plain))
    except (ValueError, ZeroDivisionError):  # also thousands of digits, which Python neither reads nor writes
        return None
    return f"number {value}{'%' if percent else ''}"
