"""Reading the label out of a judge model's reply: never a guess, never an exception, whatever the text.

A reply may quote labels, try one and reconsider, or lose its brackets. What counts is the label that is marked as
final; labels that contradict each other without one being final are no verdict.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

Side = Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a label means. ``strength`` in (0, 1], None where the scale has no degrees."""

    side: Side
    strength: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A label, and ``path``, the rule that found it: ``label:`` and only, final, revised, bare or cut."""

    label: Label
    path: str


Scale = Mapping[str, Label]
L = TypeVar("L")

THREE_WAY: Scale = {"A": Label(side="first"), "B": Label(side="second"), "C": Label(side="tie")}
"""MT-Bench's labels, in double brackets."""
FIVE_WAY: Scale = {
    "A>>B": Label(side="first", strength=1.0),
    "A>B": Label(side="first", strength=0.5),
    "A=B": Label(side="tie"),
    "B=A": Label(side="tie"),
    "B>A": Label(side="second", strength=0.5),
    "B>>A": Label(side="second", strength=1.0),
}
"""Arena-Hard's labels, in double brackets."""

_RECONSIDERS = re.compile(
    r"\b(?:wait|hold on|reconsider|re-?evaluat|on (?:second thought|reflection)|correct myself|let me re)",
    re.IGNORECASE,
)
_VERDICT = r"(?:verdict|label|judge?ment|decision|evaluation)"
_FINAL = re.compile(rf"\bfinal(?:ly)?\W{{0,4}}{_VERDICT}", re.IGNORECASE)
_MARKS = " \t*_`#>:.-–—"  # what may stand around a label that is alone on its line


class Found(NamedTuple, Generic[L]):
    """One bracketed verdict in a reply: what it says, where it stands, and where the one before it ended."""

    label: L
    match: re.Match[str]
    past: int


def read_label(text: str, scale: Scale) -> Reading | None:
    """The verdict in ``text``, or None where there is none, or several that contradict each other.

    ``scale`` maps label names to meanings; a name that is not on it (such as ``[[A>>A]]``) makes its reply no verdict.
    """
    text = text.rstrip()
    names = "|".join(sorted(map(re.escape, scale), key=len, reverse=True))
    found, unknown, past = [], False, 0
    for match in re.finditer(r"\[\[([^\[\]\n]{1,12})\]\]", text):
        name = re.sub(r"\s", "", match.group(1))
        if name in scale:
            found.append(Found(scale[name], match, past))
        else:
            unknown = unknown or _resembles(name, scale)
        past = match.end()
    if unknown:
        return None
    if found:
        settled = settle(text, found, lambda label: label.side)
        return Reading(label=settled[0], path=f"label:{settled[1]}") if settled else None
    if cut := re.search(rf"\[\[\s*({names})\s*\]?$", text):
        return Reading(label=scale[cut.group(1)], path="label:cut")
    return _bare(text, scale, names)


def settle(text: str, found: Sequence[Found[L]], side: Callable[[L], object]) -> tuple[L, str] | None:
    """The verdict that counts among ``found``, in the order of ``text``, and the rule: only, final or revised.

    Verdicts with the same ``side`` do not contradict each other. None where there is none, or no clear one.
    """
    if not found:
        return None
    last = found[-1]
    if len(found) == 1 or len({side(one.label) for one in found}) == 1:
        return last.label, "only"
    finals = [one for one in found if _is_final(text, one.match, one.past)]
    if not finals:
        return None
    if len({side(one.label) for one in finals}) == 1:
        return finals[-1].label, "final"
    against = [one for one in finals if side(one.label) != side(finals[-1].label)]
    if _RECONSIDERS.search(text, against[-1].match.start(), finals[-1].match.start()):
        return finals[-1].label, "revised"
    return None


def _is_final(text: str, match: re.Match[str], past: int) -> bool:
    """Whether a label is called final on its line or the one before, or stands alone on the last line of the reply.

    What is called final before ``past``, the end of the label before this one, was that label.
    """
    line_start = text.rfind("\n", 0, match.start()) + 1
    line_end = text.find("\n", match.end())
    before, after = text[line_start : match.start()], text[match.end() : line_end if line_end >= 0 else len(text)]
    if _FINAL.search(text, max(line_start, past), match.start()):
        return True
    alone = not before.strip(_MARKS) and not after.strip(_MARKS)
    if not alone:
        return False
    above = text[:line_start].rstrip().rpartition("\n")[2]
    return line_end < 0 or _FINAL.search(above) is not None


def _bare(text: str, scale: Scale, names: str) -> Reading | None:
    """A label without its brackets: the whole reply, or a last line that calls itself a verdict or is only a sign."""
    line = text.rpartition("\n")[2]
    whole = re.fullmatch(rf"[\s*_`\[(]*({names})[\s*_`\])]*\.?", text)
    opening = rf"\W*(?:my |the )?(?:final )?{_VERDICT}(?: is)?[\s:*_`\"'\[(]*"
    stated = re.fullmatch(rf"{opening}({names})[\s*_`\"'\])]*\.?", line, re.IGNORECASE)
    signs = "|".join(re.escape(name) for name in scale if not name.isalnum())
    sign = re.fullmatch(rf"[\s*_`]*({signs})[\s*_`]*\.?", line) if signs else None
    for match in (whole, stated, sign):
        if match is not None and match.group(1) in scale:
            return Reading(label=scale[match.group(1)], path="label:bare")
    return None


def _resembles(name: str, scale: Scale) -> bool:
    """Whether a bracketed text that is no label is written in the alphabet of labels, so that a verdict was meant."""
    return len(name) > 1 and set(name) <= set("".join(scale)) and not name.isalnum()
