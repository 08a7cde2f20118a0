"""What a simulated model says to what it cannot solve: something sensible that does not pretend."""

from dataclasses import dataclass

from ensemble.simulator.draw import pick
from ensemble.simulator.talk import Ask, Said

_OPENINGS = (
    "I am a simulated model, so take this as a placeholder for a real answer.",
    "This is a simulated answer: no real model was asked.",
    "As a simulated model I have no real knowledge to offer here.",
)
_ADVICE = (
    "A real model would now address what you wrote: \u201c{topic}\u201d.",
    "You wrote \u201c{topic}\u201d; connect a real provider to get more than this.",
    "To hear something real about \u201c{topic}\u201d, name a real provider in the configuration.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """Answers anything in general terms."""

    name: str

    def answer(self, ask: Ask) -> Said:
        words = " ".join(ask.question.split())
        topic = words if len(words) <= 80 else words[:79].rstrip() + "\u2026"
        opening = pick(_OPENINGS, "opening", self.name, words)
        advice = pick(_ADVICE, "advice", self.name, words).format(topic=topic)
        return Said(text=f"{opening} {advice}")
