"""Simulated log probabilities: made up for plain words, true odds at the label of a verdict."""

import math

from ensemble.simulator import tokens
from ensemble.simulator.draw import share
from ensemble.simulator.talk import Said

LEAST = -12.0
"""The log probability of what is told to be impossible, as minus infinity is no JSON."""


def openai_logprobs(said: Said, top: int) -> list[object]:
    """One entry per token of ``said``, each with ``top`` alternatives, in OpenAI's shape."""
    words = tokens.split(said.text)
    label = _label_at(words, said)
    return [_entry(word, at, said, top, decides=at == label) for at, word in enumerate(words)]


def _label_at(words: list[str], said: Said) -> int | None:
    places = [at for at, word in enumerate(words) if word.strip() in said.odds]
    return places[-1] if places else None


def _entry(word: str, at: int, said: Said, top: int, *, decides: bool) -> dict[str, object]:
    if decides:
        lead = word[: len(word) - len(word.lstrip())]
        chances = {lead + label: chance for label, chance in said.odds.items()}
    else:
        chance = 1 - 0.4 * share("logprob", word, at)
        chances = {word: chance, **{f"{word}{other}": (1 - chance) / (other + 1) for other in range(1, top)}}
    ranked = sorted(chances.items(), key=lambda item: -item[1])[:top]
    return {**_spell(word, chances[word]), "top_logprobs": [_spell(*each) for each in ranked]}


def _spell(word: str, chance: float) -> dict[str, object]:
    natural = math.log(chance) if chance > 0 else LEAST
    return {"token": word, "logprob": round(max(natural, LEAST), 6), "bytes": list(word.encode("utf-8", "replace"))}
