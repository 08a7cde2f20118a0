"""Reading the scores of a rubric out of a reply, and out of the probabilities of its tokens."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from judges.llm._certainty import token_at
from judges.readers.rubric import told_once
from judges.types import Completion, TokenLogprob

LEAST, MOST = 1, 9
"""The scale: one digit, hence one token, so that the alternatives of that token are the other scores."""

_TRIES = 256
"""Braces that may open no object before a reply is given up: each costs a look at all that stands before it."""


def read_scores(reply: Completion, criteria: Sequence[str]) -> tuple[dict[str, float], str] | None:
    """A score from LEAST to MOST per criterion, and how it was read; None where one is missing or off the scale.

    With token logprobs a score is the mean of the scale under the probabilities of the token that names it (G-Eval, Liu
    et al. 2023); without them it is the number as written.
    """
    written = _written(reply.text, criteria)
    if written is None:
        return None
    if reply.logprobs is None:
        return {name: float(value) for name, (value, _) in written.items()}, "rubric:json"
    weighted = {name: _weighted(reply.logprobs, place) for name, (_, place) in written.items()}
    if any(math.isnan(score) for score in weighted.values()):
        return None
    return weighted, "rubric:logprobs"


def stated_scores(reply: Completion) -> dict[str, float]:
    """The scores of a stored reply by whatever criteria it names, as ``read_scores`` found them; none if unreadable."""
    named = [tuple(scores) for _, scores in _objects(reply.text)]
    found = read_scores(reply, named[-1]) if named else None
    return found[0] if found else {}


def _written(text: str, criteria: Sequence[str]) -> dict[str, tuple[int, int]] | None:
    """Each criterion's score with its place in ``text``."""
    found = [scores for start, scores in _objects(text) if set(criteria) <= set(scores)]
    if not found or any(scores != found[0] for scores in found):
        return None
    scores, start = found[-1], text.rfind('"scores"')
    placed = {}
    for name in criteria:
        value = scores[name]
        stated = re.compile(rf"{re.escape(json.dumps(name, ensure_ascii=False))}\s*:\s*(\d)").search(
            text, max(start, 0)
        )
        if isinstance(value, bool) or not isinstance(value, int) or not LEAST <= value <= MOST or stated is None:
            return None
        placed[name] = (value, stated.start(1))
    return placed


def _objects(text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    """The ``scores`` of every JSON object in ``text``, whatever stands around it."""
    decoder, place, tries = json.JSONDecoder(object_pairs_hook=told_once), 0, 0
    while tries < _TRIES and (place := text.find("{", place)) >= 0:
        try:
            said, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place, tries = place + 1, tries + 1
            continue
        if isinstance(said.get("scores"), Mapping):
            yield place, said["scores"]
        place = end


def _weighted(logprobs: Sequence[TokenLogprob], place: int) -> float:
    """The mean score under the alternatives of the token at ``place``; NaN where no alternative is a score."""
    token = token_at(logprobs, place)
    return _mean(dict((*token.top, (token.token, token.logprob)))) if token else math.nan


def _mean(alternatives: Mapping[str, float]) -> float:
    weights: dict[int, float] = {}
    for token, logprob in alternatives.items():
        bare = token.strip(' "')
        if bare.isascii() and bare.isdigit() and LEAST <= int(bare) <= MOST and math.isfinite(logprob):
            weights[int(bare)] = weights.get(int(bare), 0.0) + math.exp(min(logprob, 0.0))
    total = math.fsum(weights.values())
    return math.fsum(score * weight for score, weight in weights.items()) / total if total else math.nan
