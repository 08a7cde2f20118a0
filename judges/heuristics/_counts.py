"""How long an answer may be, as its prompt says: words, sentences, lines, paragraphs, bullet points, characters.

There is more than one honest way to count; an answer only breaks a limit where it does by every one of them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
NUMBER = rf"(?:\d{{1,3}}(?:,\d{{3}})+|\d+|{'|'.join(_SMALL)})"
_UNIT = r"(?:words?|sentences?|lines?|paragraphs?|bullet points?|bullets|list items|characters)"
_MOST = (
    r"at most|no more than|not more than|up to|a maximum of|maximum of|fewer than|less than|under|below|"
    r"not exceed(?:ing)?"
)
_LEAST = r"at least|no fewer than|no less than|not less than|a minimum of|minimum of|more than|over"
_LIMIT = re.compile(rf"\b(?P<how>exactly|{_MOST}|{_LEAST}) (?P<n>{NUMBER})[ -](?P<unit>{_UNIT})\b", re.IGNORECASE)
_BETWEEN = re.compile(
    rf"\b(?:between |from )?(?P<low>{NUMBER})(?: ?[-–] ?| to | and )(?P<high>{NUMBER}) (?P<unit>{_UNIT})\b",
    re.IGNORECASE,
)
_OR_LESS = re.compile(
    rf"\b(?P<n>{NUMBER}) (?P<unit>{_UNIT}) (?:or (?P<how>less|fewer|more)|(?P<most>at most|max(?:imum)?))\b",
    re.IGNORECASE,
)
_BARE = re.compile(rf"\bin (?:only |just )?(?P<n>{NUMBER}|a single) (?P<unit>sentences?|paragraphs?)\b", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[-*•+]|\d+[.)])\s+\S", re.MULTILINE)
_FULL_STOP = re.compile(r"[.!?…]+[\"'”’)\]*_]*(?=\s|$)|[。！？]")
_SHORTENED = re.compile(
    r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|No|Fig|Jr|Sr|Inc|U\.S|a\.m|p\.m|[A-Z])\.(?=\s)|(?<=\d)\.(?=\d)|"
    r"^\s*\d+\.(?=\s)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From ``low`` to ``high`` of a unit, both included; None is no limit."""

    unit: str
    low: int | None = None
    high: int | None = None

    def holds(self, text: str) -> bool:
        """Whether ``text`` keeps to it by at least one way of counting."""
        return any(
            (self.low is None or count >= self.low) and (self.high is None or count <= self.high)
            for count in counts(text, self.unit)
        )


def number(said: str) -> int:
    """``12``, ``1,200`` or ``twelve``."""
    low = said.lower()
    if low == "a single":
        return 1
    return _SMALL.index(low) if low in _SMALL else int(low.replace(",", ""))


def spans(sentence: str) -> Iterator[Span]:
    """The limits that a sentence states."""
    for found in _BETWEEN.finditer(sentence):
        low, high = number(found["low"]), number(found["high"])
        if low < high:
            yield Span(unit=_unit(found["unit"]), low=low, high=high)
    for found in _LIMIT.finditer(sentence):
        yield _limit(found["how"].lower(), number(found["n"]), _unit(found["unit"]))
    for found in _OR_LESS.finditer(sentence):
        n, unit = number(found["n"]), _unit(found["unit"])
        yield Span(unit=unit, low=n) if (found["how"] or "").lower() == "more" else Span(unit=unit, high=n)
    for found in _BARE.finditer(sentence):
        n = number(found["n"])
        yield Span(unit=_unit(found["unit"]), low=n, high=n)


def counts(text: str, unit: str) -> Sequence[int]:
    """The size of ``text`` in ``unit``, by each way of counting."""
    return _WAYS[unit](text.strip())


def _limit(how: str, n: int, unit: str) -> Span:
    if how == "exactly":
        return Span(unit=unit, low=n, high=n)
    strict = how in ("fewer than", "less than", "under", "below", "more than", "over")
    if re.fullmatch(_MOST, how):
        return Span(unit=unit, high=n - strict)
    return Span(unit=unit, low=n + strict)


def _unit(said: str) -> str:
    low = said.lower()
    return "bullet" if low.startswith(("bullet", "list")) else low.rstrip("s")


def _words(text: str) -> Sequence[int]:
    plain = re.sub(r"[*_`#>|]", " ", text)
    spaced = [word for word in plain.split() if any(map(str.isalnum, word))]
    parts = re.findall(r"[^\W_]+(?:['’][^\W_]+)*", plain)
    return len(spaced), len(parts)


def _sentences(text: str) -> Sequence[int]:
    stops = len(_FULL_STOP.findall(_SHORTENED.sub("", text)))
    lines = [line for line in text.splitlines() if any(map(str.isalnum, line))]
    # What ends without a stop, a heading or a last line, is a sentence or is none.
    open_ = sum(not _FULL_STOP.search(line.rstrip()[-4:]) for line in lines)
    return tuple(range(stops, stops + open_ + 1)) or (0,)


def _lines(text: str) -> Sequence[int]:
    return len([line for line in text.splitlines() if line.strip()]), len(text.splitlines())


def _paragraphs(text: str) -> Sequence[int]:
    apart = [part for part in re.split(r"\n\s*\n", text) if any(map(str.isalnum, part))]
    prose = [part for part in apart if not re.match(r"\s*(?:#|\*\*[^*]+\*\*\s*$)", part) and not _BULLET.match(part)]
    ruled = [part for part in re.split(r"^\s*\*\*\*\s*$", text, flags=re.MULTILINE) if part.strip()]
    lines = [line for line in text.splitlines() if line.strip()]
    return len(apart), len(prose), len(ruled), len(lines)


def _bullets(text: str) -> Sequence[int]:
    every = _BULLET.findall(text)
    top = re.findall(r"^(?:[-*•+]|\d+[.)])\s+\S", text, re.MULTILINE)
    return len(every), len(top)


_WAYS: dict[str, Callable[[str], Sequence[int]]] = {
    "word": _words,
    "sentence": _sentences,
    "line": _lines,
    "paragraph": _paragraphs,
    "bullet": _bullets,
    "character": lambda text: (len(text), len(re.sub(r"\s", "", text))),
}
