"""Sentences of a request that speak to whoever chooses the model, kept from the model that chooses.

Fences and codes keep a text from naming a member; they do not keep a plea for the best one from being heard. A sentence
that is taken for a plea by mistake is missing on the router's page alone: members get the request whole.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Collection
from functools import lru_cache

_SIZE = (
    r"(?:large[rs]?t?|bigg?(?:er|est)?|strong(?:er|est)?|best|better|smart(?:er|est)?|dear(?:er|est)?|"
    r"(?:most|more|least) \w+|expensive|premium|top|flagship|pro|expert|advanced|capable|powerful|small(?:er|est)?|"
    r"cheap(?:er|est)?|fast(?:er|est)?|first|second|third|last|other)"
)
_MODEL = r"(?:models?|llms?|members?|tiers?|engines?|choices?|options? (?:listed|on the list))"
_HAND_OVER = (
    r"(?:re-?)?(?:rout(?:e|ed|ing)|direct(?:ed)?|escalat(?:e|ed|ing)|forward(?:ed)?|sen[dt]|hand|switch|assign)"
)
_CHOOSE = r"(?:choose|select|pick|use|prefer|take|answer with|reply with|respond with|output|return)"
# A space stands for any gap, line breaks and emphasis included.
_PLEAS = (
    rf"\b{_SIZE}(?: [\w-]{{1,20}}){{0,2}} {_MODEL}\b",
    rf"\b{_HAND_OVER}(?: [\w-]{{1,20}}){{0,4}} to(?: [\w-]{{1,20}}){{0,2}} [\"']?(?:{_SIZE}|{_MODEL}|NAMES)\b",
    rf"\b{_CHOOSE}(?: (?:the|only))?(?: {_MODEL})?:? [\"'(\[]?(?:NAMES)\b(?: {_MODEL}\b|[^\w\n]{{0,4}}(?:[.!?\n]|\Z))",
    rf"\b(?:code|letter|name)s? (?:of|for) the {_SIZE}\b",
    rf"\b{_CHOOSE}(?: [\w-]{{1,20}}){{0,3}} (?:codes?|{_MODEL})(?: [\w-]{{1,20}}){{0,2}} (?:descri\w+|listed|speaks?)",
    r"\[\[\s?[\w-]{1,40}\s?\]\]",  # a verdict's label: whoever writes one in a request means who reads the page
    r"[\"'](?:choice|member|model|route)[\"']\s?:\s?[\"'][\w-]{1,40}[\"']",
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|rules?|descriptions?|choices|above)\b",
    r"\b(?:router|model selector|dispatcher)\b.{0,20}(?::|\b(?:must|should|shall|please|note|instructions?)\b)",
)
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*|[.!?]+|\n")


def without_pleas(text: str, names: Collection[str]) -> str:
    """``text`` without the sentences that ask for a model, by its name among ``names`` or by what it is like.

    Invisible characters go, too. Takes some milliseconds for 2,000 characters of hostile text.
    """
    visible = "".join(one for one in text if unicodedata.category(one) != "Cf")
    pleas = [found.span() for found in _pattern(frozenset(names)).finditer(visible)]
    kept = []
    for sentence in _SENTENCE.finditer(visible):
        before = bisect_left(pleas, (sentence.end(), 0))
        if before == 0 or pleas[before - 1][1] <= sentence.start():
            kept.append(sentence.group())
    return "".join(kept)


@lru_cache(maxsize=256)
def _pattern(names: frozenset[str]) -> re.Pattern[str]:
    every = "|".join(re.escape(one) for one in sorted(names))
    return re.compile("|".join(_PLEAS).replace(" ", r"[\s*`~]{1,4}").replace("NAMES", every), re.IGNORECASE)
