"""When what a program says is what its task wants."""

import json
import math

_TOLERANCE = 1e-5  # what the sites that set such tasks allow


def same_text(wanted: str, said: str, *, any_case: bool) -> bool:
    """Word by word; numbers with decimals need not agree in the last of them."""
    left, right = (text.casefold().split() if any_case else text.split() for text in (wanted, said))
    return len(left) == len(right) and all(map(_same_word, left, right))


def _same_word(wanted: str, said: str) -> bool:
    if wanted == said:
        return True
    try:
        return "." in wanted and math.isclose(float(wanted), float(said), rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    except ValueError:
        return False


def same(wanted: object, said: object) -> bool:
    """Whether two values in the jail's form are equal; tables and sets in any order, numbers within the tolerance."""
    if isinstance(wanted, float) or isinstance(said, float):
        numbers = isinstance(wanted, int | float) and isinstance(said, int | float)
        return numbers and _close(wanted, said)
    if isinstance(wanted, list) and isinstance(said, list):
        return len(wanted) == len(said) and all(map(same, wanted, said))
    if isinstance(wanted, dict) and isinstance(said, dict):
        if wanted.keys() != said.keys():
            return False
        return all(_same_in_any_order(wanted[key], said[key]) for key in wanted)
    return wanted == said


def _close(wanted: object, said: object) -> bool:
    try:
        return math.isclose(float(str(wanted)), float(str(said)), rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    except ValueError:  # a truth value beside a number
        return False


def _same_in_any_order(wanted: object, said: object) -> bool:
    if not isinstance(wanted, list) or not isinstance(said, list):
        return wanted == said
    return sorted(map(_key, wanted)) == sorted(map(_key, said))


def _key(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def plain(value: object) -> object:
    """A literal in the form in which the jail gives its answers."""
    if isinstance(value, dict):
        return {"table": [[plain(key), plain(item)] for key, item in value.items()]}
    if isinstance(value, set | frozenset):
        return {"set": [plain(item) for item in value]}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
