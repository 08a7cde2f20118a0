"""Simulated log probabilities: true odds at the labels and scores of a verdict, elsewhere as sure as a model feels."""

import math
from collections.abc import Mapping
from statistics import NormalDist

from ensemble.simulator import tokens
from ensemble.simulator.draw import share
from ensemble.simulator.talk import Said

LEAST = -12.0
"""The log probability of what is told to be impossible, as minus infinity is no JSON."""
APART = 0.87
"""How much surer a model feels of a right answer than of a wrong one, in standard deviations: an AUC of .73."""
_NORMAL = NormalDist()


def sureness(is_right: bool, *about: object) -> float:
    """How sure a model feels of an answer, in (0, 1); ``about`` draws it.

    Language models mostly know what they know (Kadavath et al. 2022, arXiv:2207.05221), but noisily: the probability
    that they give their own short answers tells right ones from wrong ones with an AUC of some .65 to .8 (Kuhn et al.
    2023, arXiv:2302.09664). Right and wrong answers are normal here, ``APART`` apart, which is an AUC of .73 between
    one right and one wrong answer of a model, whatever the task; read off the mean logprob of the tokens it is .70.
    """
    drawn = _NORMAL.inv_cdf(min(max(share("felt", *about), 1e-9), 1 - 1e-9))
    return _NORMAL.cdf(drawn + (APART if is_right else -APART) / 2)


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
        entries.append(_entry(word, 1 - _doubt(said) * share("logprob", word, at), odds, top))
        place += len(word)
    return entries


def _doubt(said: Said) -> float:
    """Most probability that a token of ``said`` lacks: from .1 where the model is sure to .7 where it is not."""
    return 0.4 if said.sure is None else 0.7 - 0.6 * said.sure


def _entry(word: str, chance: float, odds: Mapping[str, float] | None, top: int) -> dict[str, object]:
    if odds is not None and word.strip() in odds:
        lead = word[: len(word) - len(word.lstrip())]
        chances = {lead + label: chance for label, chance in odds.items()}
    else:
        chances = {word: chance, **{f"{word}{other}": (1 - chance) / (other + 1) for other in range(1, top)}}
    ranked = sorted(chances.items(), key=lambda item: -item[1])[:top]
    return {**_spell(word, chances[word]), "top_logprobs": [_spell(*each) for each in ranked]}


def _spell(word: str, chance: float) -> dict[str, object]:
    natural = math.log(chance) if chance > 0 else LEAST
    return {"token": word, "logprob": round(max(natural, LEAST), 6), "bytes": list(word.encode("utf-8", "replace"))}
