"""Simulated log probabilities: made up for plain words, true odds at the labels and scores of a verdict."""

import math
from collections.abc import Mapping

from ensemble.simulator import tokens
from ensemble.simulator.draw import share
from ensemble.simulator.talk import Said

LEAST = -12.0
"""The log probability of what is told to be impossible, as minus infinity is no JSON."""


def at_label(text: str, odds: Mapping[str, float]) -> Mapping[int, Mapping[str, float]]:
    """``odds`` of labels as ``Said.odds`` wants them: at the last token of ``text`` that is one of the labels."""
    place, found = 0, {}
    for word in tokens.split(text):
        if word.strip() in odds:
            found = {place + len(word) - len(word.lstrip()): odds}
        place += len(word)
    return found


def openai_logprobs(said: Said, top: int) -> list[object]:
    """One entry per token of ``said``, each with ``top`` alternatives, in OpenAI's shape."""
    entries: list[object] = []
    place = 0
    for at, word in enumerate(tokens.split(said.text)):
        odds = said.odds.get(place + len(word) - len(word.lstrip()))
        entries.append(_entry(word, at, odds, top))
        place += len(word)
    return entries


def _entry(word: str, at: int, odds: Mapping[str, float] | None, top: int) -> dict[str, object]:
    if odds is not None and word.strip() in odds:
        lead = word[: len(word) - len(word.lstrip())]
        chances = {lead + label: chance for label, chance in odds.items()}
    else:
        chance = 1 - 0.4 * share("logprob", word, at)
        chances = {word: chance, **{f"{word}{other}": (1 - chance) / (other + 1) for other in range(1, top)}}
    ranked = sorted(chances.items(), key=lambda item: -item[1])[:top]
    return {**_spell(word, chances[word]), "top_logprobs": [_spell(*each) for each in ranked]}


def _spell(word: str, chance: float) -> dict[str, object]:
    natural = math.log(chance) if chance > 0 else LEAST
    return {"token": word, "logprob": round(max(natural, LEAST), 6), "bytes": list(word.encode("utf-8", "replace"))}
