"""A recorded fleet: each model gives the answer that the real one gave to the same prompt."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from ensemble.simulator.talk import Ask, Problem, Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What one model said to one prompt. ``preference`` in [0, 1] is the real evaluator's, None where it gave none."""

    output: str
    preference: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Recorded answers by prompt, then by model."""

    rows: Mapping[str, Mapping[str, Recorded]]
    models: tuple[str, ...]

    @classmethod
    def load(cls, path: Path) -> "Recording":
        """Read gzip JSON lines with ``prompt`` and ``models: {name: {output, preference}}``.

        Of two rows with one prompt the first counts.

        Raises:
            OSError: the file cannot be read or is no gzip.
            ValueError: a line has another form; names file and line.
        """
        rows: dict[str, dict[str, Recorded]] = {}
        models: dict[str, None] = {}
        with gzip.open(path, "rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    prompt, said = _row(orjson.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise ValueError(f"{path}, line {number}: no recorded row ({error!r})") from error
                rows.setdefault(prompt, said)
                models.update(dict.fromkeys(said))
        if not rows:
            raise ValueError(f"{path}: no recorded rows")
        return cls(rows=rows, models=tuple(models))

    def find(self, question: str) -> Mapping[str, Recorded]:
        """What was recorded for ``question``; raises Problem (400) where nothing was."""
        found = self.rows.get(question)
        if found is None:
            raise Problem(
                400,
                "This prompt is not in the recording, and a recorded model has no other answers.",
                code="unknown_prompt",
                param="messages",
            )
        return found


def _row(row: dict[str, dict[str, dict[str, object]]]) -> tuple[str, dict[str, Recorded]]:
    prompt = row["prompt"]
    if not isinstance(prompt, str):
        raise TypeError("prompt is no text")
    return prompt, {name: _said(said) for name, said in row["models"].items()}


def _said(said: Mapping[str, object]) -> Recorded:
    output, preference = said["output"], said.get("preference")
    if not isinstance(output, str) or not isinstance(preference, int | float | None):
        raise TypeError("output is no text, or preference no number")
    return Recorded(output=output, preference=preference)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedModel:
    """Gives the recorded output of ``name``; an empty one stays empty."""

    name: str
    recording: Recording

    def answer(self, ask: Ask) -> Said:
        said = self.recording.find(ask.question).get(self.name)
        if said is None:
            raise Problem(400, f"The recording has no output of {self.name} for this prompt.", code="unknown_prompt")
        return Said(text=said.output)
