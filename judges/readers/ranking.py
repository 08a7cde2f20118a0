"""Reading a ranking, ``[[B > A = C]]``, and marks of what is acceptable, ``[[acceptable: A, B]]``, out of a reply."""

import re
from collections.abc import Sequence

from judges.readers.labels import Found, settle

Tiers = tuple[frozenset[str], ...]
"""Names from the best down; those in one set are equally good."""

_BRACKETS = re.compile(r"\[\[([^\[\]\n]{1,400})\]\]")
_RANKED = re.compile(r"[A-Z<>=]*[<>=][A-Z<>=]*")
_MARKS = re.compile(r"acceptable\s*:\s*(.+)", re.IGNORECASE)
_NONE = "none"


def read_ranking(text: str, names: Sequence[str]) -> tuple[Tiers, str] | None:
    """The final ranking of exactly ``names`` and the rule that found it, or None; never a guess, never an exception.

    A ranking that leaves out a name, invents one or names one twice was meant as a verdict and is none, so its reply
    has none; and so are rankings that differ without one being final.
    """
    text = text.rstrip()
    found: list[Found[Tiers]] = []
    past = 0
    for match in _BRACKETS.finditer(text):
        said = "".join(match.group(1).split())
        if _resembles(said, names):
            tiers = _tiers(said, names)
            if tiers is None:
                return None
            found.append(Found(tiers, match, past))
        past = match.end()
    settled = settle(text, found, lambda tiers: tiers)
    return (settled[0], f"ranking:{settled[1]}") if settled else None


def read_acceptable(text: str, names: Sequence[str]) -> frozenset[str] | None:
    """The names that ``text`` marks as acceptable; None without marks, with marks that differ or unknown names."""
    marks = {_marked(inner) for inner in _BRACKETS.findall(text)} - {None}
    said = marks.pop() if len(marks) == 1 else None
    return said if said is not None and said <= set(names) else None


def _marked(inner: str) -> frozenset[str] | None:
    match = _MARKS.fullmatch(inner.strip())
    if match is None:
        return None
    said = match.group(1).strip()
    if said.casefold() == _NONE:
        return frozenset()
    return frozenset(re.split(r"\s*(?:,|\band\b|\s)\s*", said)) - {""}


def _tiers(said: str, names: Sequence[str]) -> Tiers | None:
    tiers = [tier.split("=") for tier in said.split(">")]
    return tuple(map(frozenset, tiers)) if sorted([one for tier in tiers for one in tier]) == sorted(names) else None


def _resembles(said: str, names: Sequence[str]) -> bool:
    """Whether a bracketed text was meant as a ranking: signs between capital letters, or one name of the page."""
    return said in names or _RANKED.fullmatch(said) is not None
