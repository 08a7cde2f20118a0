"""A scorer that reads question and answer, trained on the log."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from judges.errors import InvalidOptions
from judges.heuristics._evidence import evidence
from judges.heuristics._found import silent
from judges.heuristics.agreement import agreed, loosely_told
from judges.judge import JUDGES, Judge
from judges.learning.folder import read, read_manifest
from judges.learning.model import Learned, sample
from judges.types import Case, Model, Verdict
from judges.usage import NOTHING


@dataclass(slots=True)
class Held:
    """What the judge has read; no part of its options."""

    model: Learned | None = None
    trained_on: frozenset[str] = frozenset()


@JUDGES.register("learned")
class LearnedScore(Judge):
    """Score each answer by how likely it is good: what ``ensemble train --kind scorer`` learned from the log.

    It sees the forms of question and answer (length, steps, sums that are wrong, numbers taken from the question, terms
    that many requests held), what verifiers find (schema, format, sums, refusal, truncation), how sure the model was by
    its logprobs, and how many of the others say the same where it was trained on several members; it asks no model,
    and takes a few milliseconds. Made for the steps of a cascade.
    """

    outside: ClassVar[frozenset[str]] = Judge.outside | {"path"}  # where the model lies says nothing of it

    path: Path
    """The scorer folder, relative to the configuration file."""

    @cached_property
    def _score(self) -> Held:
        return Held()

    @property
    def scores_candidates(self) -> bool:
        return True

    def ingredients(self) -> Mapping[str, str]:
        """The model: another one is another judge."""
        try:
            return {"model": str(read_manifest(self.path).get("model", ""))}
        except InvalidOptions:
            return {"model": ""}

    def load(self) -> None:
        """Read the folder. Blocks for seconds.

        Raises:
            InvalidOptions: it cannot be used; the sentence says how to train it again.
        """
        super().load()
        model, manifest = read(self.path)
        if manifest.get("what") != "scorer" or len(model.state["mean"]) != 1:
            raise InvalidOptions(f"path: {self.path} holds no scorer; train one with `ensemble train --kind scorer`")
        self._score.model = model
        self._score.trained_on = frozenset(manifest.get("trained_on", ()))

    def trained_on(self) -> frozenset[str]:
        """What the scorer was fitted on, as the manifest names it."""
        return self._score.trained_on

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        model = self._score.model
        if model is None or not case.candidates:
            return silent(self, "no scorer has been loaded" if model is None else "there is no answer to read")
        scores = await asyncio.to_thread(_scores, model, case)
        by_id = {one.id: score for one, score in zip(case.candidates, scores, strict=True)}
        best = tuple(one.id for one in case.candidates if by_id[one.id] == max(scores))
        return Verdict(
            judge=self.digest, outcome="decided" if len(best) == 1 else "tie", winners=best, scores=by_id,
            reason=f"expected quality {max(scores):.3f}", usage=NOTHING,
        )  # fmt: skip


def _scores(model: Learned, case: Case) -> list[float]:
    question = "\n\n".join(turn.text for turn in case.messages if turn.text)
    answers = [one.completion.text for one in case.candidates]
    shares = agreed([loosely_told(text, question) for text in answers]) if model.reads_others else None
    found = None
    if model.reads_evidence:
        found = [evidence(case.messages, case.response_format, one.completion) for one in case.candidates]
    return [float(one) for one in model.predict(sample([question] * len(answers), answers, shares, found))[:, 0]]
