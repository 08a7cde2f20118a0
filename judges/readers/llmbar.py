"""LLMBar: ``Output (a)`` or ``Output (b)``, (a) shown first (Zeng et al. 2023, princeton-nlp/LLMBar)."""

import re

from judges.readers.labels import Label, Reading

_FIRST, _SECOND = Label(side="first"), Label(side="second")
_BETTER = re.compile(r"output \(([ab])\)(?:\s+is)?(?:\s+\w+ly)?\s+(?:is\s+)?(?:the\s+)?better\b", re.IGNORECASE)
_OPENS = re.compile(r"[\s*#>\"'`]*(?:[\w ]{0,20}:\s*)?output \(([ab])\)", re.IGNORECASE)


def strict(text: str, *, reasons_first: bool) -> Reading | None:
    """As LLMBar reads: (a) is looked for before (b).

    ``reasons_first`` is for the CoT prompts, whose verdict is ``Output (a) is better`` anywhere in the text; the others
    want ``Output (a)`` at the start of a line, after one space at most.
    """
    for name, label in (("a", _FIRST), ("b", _SECOND)):
        wanted = rf"Output \({name}\) is better" if reasons_first else rf"^ ?Output \({name}\)"
        if re.search(wanted, text, re.MULTILINE):
            return Reading(label=label, path="llmbar:strict")
    return None


def robust(text: str) -> Reading | None:
    """The side that every "is better" of ``text`` names, else the side that it opens with; None where they differ."""
    named = {match.group(1).lower() for match in _BETTER.finditer(text)}
    if not named and (opening := _OPENS.match(text)):
        named = {opening.group(1).lower()}
    if len(named) != 1:
        return None
    return Reading(label=_FIRST if named == {"a"} else _SECOND, path="llmbar:robust")
