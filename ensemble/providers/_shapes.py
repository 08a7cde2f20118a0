"""Taking parsed JSON apart: what an answer consists of must have its shape, the rest may be unknown."""

from collections.abc import Mapping, Sequence

MOST = 10**15
"""A million dollars in nano-USD, or more tokens than were ever written: above it, a number is nonsense."""

_OBJECT = (dict, Mapping)  # parsed JSON is a dict, which is told several times sooner than a Mapping


class WrongShape(ValueError):
    """The reply is JSON, but not an answer."""


def table(value: object, name: str) -> Mapping[str, object]:
    """``value`` as an object. Raises WrongShape."""
    if isinstance(value, _OBJECT):
        return value
    raise WrongShape(f"{name} is {_kind(value)}, not an object")


def array(value: object, name: str) -> Sequence[object]:
    """``value`` as an array. Raises WrongShape."""
    if not isinstance(value, list):
        raise WrongShape(f"{name} is {_kind(value)}, not an array")
    return value


def text(value: object, name: str) -> str | None:
    """``value`` as text, None where it is missing or null. Raises WrongShape."""
    if value is not None and not isinstance(value, str):
        raise WrongShape(f"{name} is {_kind(value)}, not a text")
    return value


def mapping(value: object) -> Mapping[str, object]:
    """``value``, or an empty object in place of anything else."""
    return value if value is not None and isinstance(value, _OBJECT) else {}


def known(value: object) -> str | None:
    """A short text such as an identifier, None in place of anything else."""
    return value[:200] if isinstance(value, str) and value else None


def count(value: object) -> int | None:
    """A number of tokens, None in place of anything else."""
    if type(value) is int:  # a bool is an int, and no number
        return value if 0 <= value <= MOST else None
    return count(int(value)) if isinstance(value, float) and value.is_integer() else None


def _kind(value: object) -> str:
    return "missing or null" if value is None else f"of type {type(value).__name__}"
