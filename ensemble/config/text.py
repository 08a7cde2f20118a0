"""How a mistake is told: one line, the place as the operator wrote it, and the nearest right name."""

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from judges.registry import explain


def problems(error: ValidationError, cls: type[BaseModel], table: object) -> Iterator[tuple[str, str]]:
    """Dotted place within ``table`` and sentence for each finding of ``error``, which was raised while reading it."""
    for detail in error.errors(include_url=False, include_input=False):
        yield ".".join(_steps(detail["loc"], table)), explain(detail, cls)


def _steps(place: Sequence[str | int], value: Any) -> Iterator[str]:
    for step in place:
        if isinstance(step, int) and isinstance(value, dict):
            continue  # a lone table that stands for a list of one: nobody wrote the number
        yield toml_key(str(step))
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            value = None


def nearest(name: str, known: Sequence[str]) -> str:
    """What may have been meant by ``name``, for the end of a sentence."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known are {', '.join(known)}" if known else "none is configured"


def toml_key(name: str) -> str:
    """``name`` as a key of a TOML file, quoted where it must be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def line(text: str) -> str:
    """``text`` on one line and without control characters, whatever a file or a plugin put into it."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
