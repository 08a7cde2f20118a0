"""Simulated judges: what they find on a page, and the noise and the biases that spoil the finding."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ensemble.simulator import findings
from ensemble.simulator.draw import share
from ensemble.simulator.models import Brain
from ensemble.simulator.recording import Recording
from ensemble.simulator.talk import Ask, Problem, Said, Turn
from judges.llm._render import LABELS, Shown, read

GOOD = 0.5
"""Least quality of an answer that is acceptable by itself."""
LONG = 600
"""Characters from which on an answer gets the best score of a judge that goes by length."""
_NUDGE = 0.1
_FIVE, _MARKS = "[[A>>B]]", "[[acceptable:"
_RANKING = re.compile(r"\[\[[A-Z](?: ?[>=] ?[A-Z])+\]\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias:
    """How a judge errs: probabilities in [0, 1] to pick the worse, the first, the longer answer, whatever they say.

    Of one answer alone it turns the quality round, or goes by the length; a place it does not have.
    """

    noise: float = 0.0
    position: float = 0.0
    length: float = 0.0
    seed: int = 0

    def felt(self, shown: Shown, grades: tuple[float, ...]) -> tuple[float, ...]:
        """``grades`` as the judge takes them to be: a bias puts one above the best, noise exchanges the two best."""
        # The order shown has no part in the draw: asked both ways round, a judge errs alike, as real ones mostly do.
        about = (self.seed, shown.question, *sorted(shown.candidates))
        drawn, noisy = share("bias", *about), share("noise", *about) < self.noise
        by_length = self.position <= drawn < self.position + self.length
        lengths = [len(text) for text in shown.candidates]
        if len(grades) == 1 and by_length:
            return (min(1.0, lengths[0] / LONG),)
        if len(grades) > 1 and drawn < self.position:
            return _lifted(grades, 0)
        if by_length:
            return _lifted(grades, lengths.index(max(lengths)))
        worse = [at for at, grade in enumerate(grades) if grade < max(grades)]
        if noisy and worse:
            return _swapped(grades, max(worse, key=lambda at: grades[at]))
        return tuple(1 - grade for grade in grades) if noisy else grades


class Taste(Protocol):
    """Where a judge's findings come from before they are spoilt."""

    def grades(self, shown: Shown) -> tuple[float, ...]:
        """Quality in [0, 1] of each candidate on the page; raises Problem for a page that it cannot judge."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTaste:
    """The recorded preference of the model that gave exactly this text; of several, the highest."""

    recording: Recording

    def grades(self, shown: Shown) -> tuple[float, ...]:
        known: dict[str, float] = {}
        for said in self.recording.find(shown.question).values():
            if said.preference is not None:
                known[said.output] = max(said.preference, known.get(said.output, 0.0))
        missing = [LABELS[at] for at, text in enumerate(shown.candidates) if text not in known]
        if missing:
            raise Problem(
                400, f"Not in the recording: answer {', '.join(missing)} on this page.", code="unknown_answer"
            )
        return tuple(known[text] for text in shown.candidates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """Answers a judge's page in the form that the prompt around it demands.

    That is a label of three or of five, a ranking, scores where criteria stand on the page, marks of what is
    acceptable, and an answer of its own where no answer does.

    Attributes:
        writer: who writes that answer; None refuses it.
        absolute: whether the taste says how good an answer is by itself; where it compares only, marks are refused.
    """

    taste: Taste
    bias: Bias
    writer: Brain | None = None
    absolute: bool = True

    def answer(self, ask: Ask) -> Said:
        prompt = "\n\n".join(turn.text for turn in ask.turns)
        try:
            shown = read(prompt)
        except ValueError as error:
            raise Problem(400, f"A simulated judge answers judge prompts only: {error}.") from error
        if not shown.candidates:
            return self._own(ask, shown)
        if len(shown.candidates) == 1 and not shown.criteria:
            raise Problem(400, "This page shows one answer and no criteria to rate it by.")
        if _MARKS in prompt and not self.absolute:
            raise Problem(
                400,
                "The recording tells which answer was preferred, not which are acceptable: leave out absolute.",
                code="unknown_answer",
            )
        felt = self.bias.felt(shown, self.taste.grades(shown))
        if shown.criteria:
            return findings.rated(shown, felt)
        # What stands on the page is escaped, so brackets like these are the prompt's own.
        mark = findings.marks(grade >= GOOD for grade in felt) if _MARKS in prompt else ""
        if _FIVE in prompt and len(felt) == 2:
            return findings.five(shown, felt, mark)
        return findings.ranked(shown, felt, mark) if _RANKING.search(prompt) else findings.chosen(shown, felt, mark)

    def _own(self, ask: Ask, shown: Shown) -> Said:
        if self.writer is None:
            told = 'A recorded evaluator has no answer of its own: use reference = "given" or "none".'
            raise Problem(400, told, code="unknown_answer")
        turns = tuple(Turn(role=role, text=text) for role, text in shown.turns)
        return self.writer.answer(replace(ask, turns=turns))


def _lifted(grades: Sequence[float], at: int) -> tuple[float, ...]:
    """``grades`` with the one at ``at`` above all others, which keep their order."""
    if len(grades) == 2:
        return _swapped(grades, at)
    felt = list(grades)
    felt[at] = max(felt) + (_NUDGE if felt.count(max(felt)) > 1 or felt[at] < max(felt) else 0.0)
    return tuple(felt)


def _swapped(grades: Sequence[float], at: int) -> tuple[float, ...]:
    """``grades`` with the one at ``at`` in the place of the best."""
    felt = list(grades)
    best = felt.index(max(felt))
    felt[at], felt[best] = felt[best], felt[at]
    if felt.count(felt[at]) > 1:
        felt[at] += _NUDGE
    return tuple(felt)
