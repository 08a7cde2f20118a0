"""Whether an answer is right, by the truth of its task and nothing else."""

import json
import re
from collections.abc import Mapping
from fractions import Fraction

from ensemble.simulator.tasks.base import Checker, Task

_NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?")
_MARKED = re.compile(r"(?:answer|result)(?:\s+is|\s+are|\s*:|\s*=)\s*(?P<said>[^\n]+)", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{(?P<said>[^{}]*)\}")
_HASHED = re.compile(r"^####\s*(?P<said>.+)$", re.MULTILINE)
_BOLD = re.compile(r"\*\*(?P<said>[^*]+)\*\*")
_LEAD = re.compile(r"^(?:it|that|this)(?:'s| is| was)\s+(?:an?\s+|the\s+)?", re.IGNORECASE)
_LONGEST = 200_000


def check(task: Task, text: str) -> bool:
    """Whether ``text`` gives the truth of ``task`` as its final answer; a call of a tool is checked as JSON."""
    return right(task.checker, task.truth, text)


def right(checker: Checker, truth: str, text: str) -> bool:
    """Whether ``text`` ends in ``truth``, compared as ``checker`` says. Any text is taken; none raises."""
    if len(text) > _LONGEST:
        return False
    match checker:
        case "number":
            return _same_number(truth, text)
        case "text":
            return _plain(_LEAD.sub("", final(text)[0])) == _plain(truth)
        case "sequence":
            return _items(final(text)[0]) == _items(truth)
        case "json":
            found = _json(text)
            return found is not None and bool(found == json.loads(truth))
        case "tool_call":
            return bool(_call(_json(text)) == json.loads(truth))


def final(text: str) -> tuple[str, bool]:
    """The final answer of ``text`` and whether it is marked as such; else it is the last line."""
    for mark in (_BOXED, _HASHED, _MARKED, _BOLD):
        found = [each.group("said") for each in mark.finditer(text)]
        if found:
            return found[-1].strip(), True
    lines = [line for line in text.splitlines() if line.strip()]
    return (lines[-1].strip() if lines else ""), False


def stated(checker: Checker, text: str) -> str | None:
    """What ``text`` gives as its final answer, in the form of a truth of ``checker``; None where it gives none."""
    if len(text) > _LONGEST:
        return None
    match checker:
        case "number":
            number = _number(text)
            return None if number is None else str(number)
        case "text":
            return _LEAD.sub("", final(text)[0]) or None
        case "sequence":
            return final(text)[0] or None
        case "json" | "tool_call":
            found = _json(text)
            said = _call(found) if checker == "tool_call" and found is not None else found
            return None if said is None else json.dumps(said)


def _number(text: str) -> Fraction | None:
    said, marked = final(text)
    numbers = _NUMBER.findall(said)
    if not numbers:
        return None
    # A marked answer leads with its number; a last line such as "17 + 25 = 42" ends with it.
    return Fraction((numbers[0] if marked else numbers[-1]).replace(",", "").replace("−", "-"))


def _same_number(truth: str, text: str) -> bool:
    found, wanted = _number(text), Fraction(truth)
    if found is None:
        return False
    if wanted.denominator == 1:
        return found == wanted
    # Rounding is free, to half a percent: nobody said how many places are wanted.
    return abs(found - wanted) <= max(abs(wanted) / 200, Fraction(1, 100) if abs(wanted) >= 1 else Fraction(0))


def _plain(text: str) -> str:
    return re.sub(r"[\s*`'\"“”.,:;!?()]+", " ", text).strip().casefold()


def _items(text: str) -> list[str]:
    return [_plain(item) for item in re.split(r",|\n|;|→|<", text) if _plain(item)]


def _json(text: str) -> object | None:
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        found: object = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None
    return found


def _call(said: object) -> object | None:
    """The one call in ``said``, which is a call itself or an answer with ``tool_calls``."""
    if not isinstance(said, Mapping):
        return None
    calls = said.get("tool_calls")
    call = calls[0] if isinstance(calls, list) and len(calls) == 1 else said
    if not isinstance(call, Mapping):
        return None
    arguments = call.get("arguments")
    if isinstance(arguments, str):
        arguments = _json(arguments)
    return {"name": call.get("name"), "arguments": arguments}
