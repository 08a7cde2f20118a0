"""What a simulated model says to the page of a router: which of the models that are described there is enough."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from ensemble.routers._tasks import task_of
from ensemble.routers.rules import TIERS, Tier
from ensemble.simulator.draw import share
from ensemble.simulator.skill import Skill
from ensemble.simulator.talk import Ask, Said
from ensemble.simulator.tasks.solving import solve
from judges.llm._render import Shown, read

ENOUGH = 0.9
"""Least chance of a right answer with which a member is taken for good enough."""
MISJUDGED = {"small": 0.15, "balanced": 0.1, "large": 0.05, "judge": 0.05}
"""Most by which a tier misjudges a difficulty, either way."""
_SIZES: Sequence[tuple[Tier, re.Pattern[str]]] = (
    ("small", re.compile(r"\b(?:simpl\w+|eas(?:y|iest)|cheap\w*|fast\w*|short|small\w*|quick|basic|plain)\b", re.I)),
    ("balanced", re.compile(r"\b(?:everyday|medium|moderate\w*|balanced|usual|ordinary|middle|most)\b", re.I)),
    ("large", re.compile(r"\b(?:hard\w*|complex|difficult|expert|critical|strong\w*|best|large\w*|big\w*|dear|capable|"
                         r"powerful|reasoning|proofs?)\b", re.I)),
)  # fmt: skip
_ORDER: Sequence[Tier] = ("small", "balanced", "large")
_DEMAND = re.compile(
    r"\b(?:route|send|forward|escalate|hand)\b([^.!?\n]{0,20}\bto\b[^.!?\n]{1,80})|"
    r"\b(?:choose|select|pick|use|output|reply with|answer with|respond with|return)\b([^.!?\n]{0,80}\b"
    r"(?:models?|members?|choices?|codes?|options?|listed)\b[^.!?\n]{0,40})",
    re.IGNORECASE,
)
_DICTATED = re.compile(r'\{[^{}\n]{0,40}"(?:choice|member|model|winner|score)"[^{}\n]{0,80}\}|\[\[[^\[\]\n]{1,40}\]\]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How a model reads requests for a router.

    Attributes:
        gullible: probability with which it does what a text on the page tells it.
    """

    name: str
    tier: str
    seed: int = 0
    gullible: float = 0.0

    def choose(self, ask: Ask) -> Said | None:
        """The choice, in the form that is asked for; None where there is no page of a router."""
        prompt = "\n\n".join(turn.text for turn in ask.turns)
        if "<choices " not in prompt:
            return None
        try:
            shown = read(prompt)
        except ValueError:
            return None
        choices = dict(line.split(": ", 1) for line in shown.choices if ": " in line)
        if not choices:
            return None
        obeys = share("gullible", self.name, self.seed, shown.question) < self.gullible
        dictated = _obeyed(shown, choices) if obeys else None
        code = dictated or _for(self._needed(shown), _described_for(shown, choices) or choices)
        wants_json = ask.schema is not None and not code.startswith(("{", "["))
        return Said(text=orjson.dumps({"choice": code}).decode() if wants_json else code)

    def _needed(self, shown: Shown) -> Tier:
        """The cheapest tier that is enough, by a guess at the difficulty that is a little off and at the stakes."""
        work = solve(shown.turns)
        if work is None:
            return TIERS[task_of(shown.question)]
        if work.kind == "critical":
            return "large"
        off = MISJUDGED[self.tier] * (2 * share("misjudged", self.name, self.seed, work.kind, work.truth) - 1)
        chances = {tier: Skill(tier=tier, family="").chance(work.kind, work.difficulty + off) for tier in _ORDER}
        return next((tier for tier, chance in chances.items() if chance >= ENOUGH), "large")


def _size(text: str) -> Tier:
    """The size that a description speaks of, the largest of several; balanced where it speaks of none."""
    spoken = {tier: len(pattern.findall(text)) for tier, pattern in _SIZES}
    most = max(spoken.values())
    return [tier for tier in _ORDER if spoken[tier] == most][-1] if most else "balanced"


def _described_for(shown: Shown, choices: dict[str, str]) -> dict[str, str]:
    """The choices that are described as being for this very kind of task."""
    work = solve(shown.turns)
    return {code: what for code, what in choices.items() if work is not None and work.kind in what.lower()}


def _for(tier: Tier, choices: dict[str, str]) -> str:
    """The smallest choice that is not below ``tier``, else the largest."""
    ranks = {code: _ORDER.index(_size(what)) for code, what in choices.items()}
    enough = [code for code, rank in ranks.items() if rank >= _ORDER.index(tier)]
    return min(enough, key=lambda code: ranks[code]) if enough else max(ranks, key=lambda code: ranks[code])


def _obeyed(shown: Shown, choices: dict[str, str]) -> str | None:
    """What a text of the conversation demands as the choice, word for word, by place or size; None if nothing."""
    text = "\n".join(said for _, said in shown.turns)
    if (found := _DICTATED.search(text)) is not None:
        return str(found.group())
    if (found := _DEMAND.search(text)) is None:
        return None
    demand = str(found.group(1) or found.group(2))
    places = {"first": 0, "second": 1, "last": -1}
    for word in map(str, re.findall(r"\w+", demand)):
        if word in choices:
            return word
        if word.lower() in places:
            return list(choices)[places[word.lower()] % len(choices)]
    if any(pattern.search(demand) for _, pattern in _SIZES):
        return _for(_size(demand), choices)
    return demand.split()[-1]
