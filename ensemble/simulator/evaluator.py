"""Simulated judges: what they find on a page, and the noise and the biases that spoil the finding."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ensemble.simulator.draw import pick, share
from ensemble.simulator.recording import Recording
from ensemble.simulator.talk import Ask, Problem, Said
from judges.llm._render import LABELS, Shown, read

TIE = "C"
_SURE = ("Answer {0} is the better one", "I find answer {0} better", "Answer {0} serves the user better")
_WHY = ("it meets the request more fully", "it is the more accurate of the two", "it does what was asked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias:
    """How a judge errs: probabilities in [0, 1] to pick the worse, the first, the longer answer, whatever they say."""

    noise: float = 0.0
    position: float = 0.0
    length: float = 0.0
    seed: int = 0


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
    """Answers a judge's page with a reason and a label, for two or more candidates."""

    taste: Taste
    bias: Bias

    def answer(self, ask: Ask) -> Said:
        try:
            shown = read("\n\n".join(turn.text for turn in ask.turns))
        except ValueError as error:
            raise Problem(400, f"A simulated judge answers judge prompts only: {error}.") from error
        if len(shown.candidates) < 2:
            raise Problem(400, "This page shows fewer than two answers.")
        grades = self.taste.grades(shown)
        label = self._label(shown, grades)
        return Said(text=_written(label, shown), odds=_odds(label, grades))

    def _label(self, shown: Shown, grades: tuple[float, ...]) -> str:
        # The order shown has no part in the draw: asked both ways round, a judge errs alike, as real ones mostly do.
        about = (self.bias.seed, shown.question, *sorted(shown.candidates))
        drawn = share("bias", *about)
        if drawn < self.bias.position:
            return LABELS[0]
        lengths = [len(text) for text in shown.candidates]
        if drawn < self.bias.position + self.bias.length:
            return LABELS[lengths.index(max(lengths))]
        best = [at for at, grade in enumerate(grades) if grade == max(grades)]
        if len(best) == len(grades):
            return TIE if len(grades) == 2 else LABELS[0]
        if share("noise", *about) < self.bias.noise:
            worse = [at for at in range(len(grades)) if at not in best]
            return LABELS[max(worse, key=lambda at: grades[at])]
        return LABELS[best[0]]


def _written(label: str, shown: Shown) -> str:
    if label == TIE and len(shown.candidates) == 2:
        return "The two answers serve the user equally well.\n\n[[C]]"
    about = (shown.question, *shown.candidates)
    return f"{pick(_SURE, *about).format(label)}: {pick(_WHY, label, *about)}.\n\n[[{label}]]"


def _odds(label: str, grades: tuple[float, ...]) -> Mapping[str, float]:
    """Probabilities of the labels: the surer, the further the best grade is above the mean of the others."""
    labels = [*LABELS[: len(grades)], TIE] if len(grades) == 2 else list(LABELS[: len(grades)])
    best = max(grades)
    rest = (sum(grades) - best) / (len(grades) - 1)
    sure = min(0.99, 0.55 + 0.45 * (best - rest))
    return {each: sure if each == label else (1 - sure) / (len(labels) - 1) for each in labels}
