"""Judges whose findings a test can foresee, and a log of labelled prompts for them to judge again."""

from collections.abc import Mapping
from typing import Any

from judges.judge import Judge
from judges.types import Case, Model, Verdict
from tests.ensemble.labelling.workshop import Workshop, prompts


class Shy(Judge):
    """Prefers the fewest exclamation marks, with a stated confidence; fails or abstains on request."""

    use = "shy"
    confidence: float = 0.75
    outcome: str = ""
    loud_on: tuple[str, ...] = ()

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        if self.outcome:
            return Verdict(judge=self.digest, outcome=self.outcome)  # type: ignore[arg-type] # as a test has it
        loud = any(word in case.messages[-1].text for word in self.loud_on)
        pick = max if loud else min
        best = pick(case.candidates, key=lambda one: (one.completion.text.count("!"), one.id))
        return Verdict(judge=self.digest, outcome="decided", winners=(best.id,), confidence=self.confidence)


async def labelled(shop: Workshop, number: int = 6) -> None:
    """``large`` is found best on every prompt."""
    outcome = await shop.label(prompts(number))
    assert outcome.tally.labelled == number


def verdicts(shop: Workshop) -> list[Any]:
    return shop.select("SELECT judge, phase FROM verdicts WHERE parent IS NULL ORDER BY id")
