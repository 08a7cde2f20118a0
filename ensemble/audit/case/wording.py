"""Where the words of one text differ from those of another."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from rapidfuzz.distance import Indel

Mark = Literal["same", "added", "removed", "rest"]
MOST_WORDS = 2_000
"""Words of either text that are compared, since the time grows with the product: 3 ms for two texts of that many."""
LEAST_SHARED = 0.5
"""Share of words in common below which marks would only make both texts hard to read."""
_ALONE = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Characters of scripts that put no space between words: each counts as one."""
_UNIT = re.compile(rf"\s*(?:[{_ALONE}]|[^\W{_ALONE}]+|[^\w\s]|\Z)")
"""A word or a sign with the space before it, or the space at the end."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text: in both, ``added`` or ``removed`` against the other text, or the ``rest`` not compared."""

    mark: Mark
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A text against another one.

    Attributes:
        pieces: without those that are ``removed``, they are the text.
        shared: share of the compared words of both texts that are in common, in order; None where nothing was compared.
        whole: no rest is left that was not compared.
    """

    pieces: tuple[Piece, ...]
    shared: float | None = None
    whole: bool = True

    @property
    def marked(self) -> bool:
        """Whether differences, if there are any, are marked: that was worth it."""
        return self.shared is not None and self.shared >= LEAST_SHARED


def wording(text: str, against: str | None) -> Wording:
    """How ``text`` differs from ``against`` word by word; white space alone makes no difference.

    Where too little is in common, or there is nothing to compare with, the text is one piece. The method is the longest
    common subsequence of words (Hyyrö 2004, as rapidfuzz has it). A pure function of two texts of any size.
    """
    if against is None or not text or not against:
        return Wording(pieces=(Piece("same", text),) if text else ())
    old, _ = _units(against)
    new, rest = _units(text)
    # Numbers, since rapidfuzz takes the hash of a word, and the character of one that has a single one, for it.
    known: dict[str, int] = {}
    old_words, new_words = ([known.setdefault(one.strip(), len(known)) for one in units] for units in (old, new))
    shared = Indel.normalized_similarity(old_words, new_words)
    whole = not rest and sum(map(len, old)) == len(against)
    if shared < LEAST_SHARED:
        return Wording(pieces=(Piece("same", text),), shared=shared, whole=whole)
    pieces = [*_pieces(old, new, old_words, new_words), Piece("rest", rest)]
    return Wording(pieces=tuple(piece for piece in pieces if piece.text), shared=shared, whole=whole)


def _units(text: str) -> tuple[list[str], str]:
    """The first words of ``text`` with their spaces, and what is left of it."""
    units: list[str] = []
    end = 0
    for found in _UNIT.finditer(text):
        if len(units) == MOST_WORDS or not found[0]:
            break
        units.append(found[0])
        end = found.end()
    return units, text[end:]


def _pieces(
    old: Sequence[str], new: Sequence[str], old_words: Sequence[int], new_words: Sequence[int]
) -> Iterator[Piece]:
    steps = Indel.opcodes(old_words, new_words)
    for equal, group in groupby(steps, key=lambda step: step.tag == "equal"):
        some = list(group)
        old_part = "".join(old[some[0].src_start : some[-1].src_end])
        new_part = "".join(new[some[0].dest_start : some[-1].dest_end])
        yield from [Piece("same", new_part)] if equal else [Piece("removed", old_part), Piece("added", new_part)]
