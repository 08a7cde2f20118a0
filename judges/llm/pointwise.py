"""Each candidate alone before a judge model, against a rubric."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import replace

from pydantic import Field, PositiveFloat, PositiveInt

from judges.judge import JUDGES
from judges.llm._asking import Asked
from judges.llm._field import field_of
from judges.llm._referring import Briefed, ReferringJudge
from judges.llm._render import render
from judges.llm._rubric import LEAST, MOST, read_scores
from judges.suspicion import marking
from judges.types import Candidate, CandidateId, Case, Completion, Model, Outcome, ResponseFormat, Verdict
from judges.usage import total

Scores = Mapping[str, float]


@JUDGES.register("pointwise")
class Pointwise(ReferringJudge):
    """Rate every candidate alone on weighted ``criteria``, in one structured question per candidate and sample.

    A score in [0, 1] is the weighted mean of the ratings from 1 to 9, each weighted by the probabilities of its token
    where the provider gives them; more ``samples`` are averaged, which is for providers that give none. The best score
    wins, and scores within ``margin`` of it tie. Below ``floor`` the verdict says that all are bad. If a candidate
    cannot be scored the judge abstains: what could not be read must not lose.

    Flags: ``unscored:<candidate>``, ``too_long``, ``no_reference``, ``suspicious:<candidate>``.
    """

    criteria: Mapping[str, PositiveFloat] = Field(
        default_factory=lambda: {"correctness": 3.0, "instructions followed": 2.0, "helpfulness": 1.0, "clarity": 1.0},
        min_length=1,
    )
    samples: PositiveInt = 1
    top_logprobs: int = Field(default=20, ge=0, le=20)
    margin: float = Field(default=0.0, ge=0.0, le=1.0)
    floor: float = Field(default=0.0, ge=0.0, le=1.0)

    @property
    def scores_candidates(self) -> bool:
        return True

    def ingredients(self) -> Mapping[str, str]:
        return self.prompts("pointwise")

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        field = field_of(case)
        briefed = await self.brief(case, models) if field.entrants else Briefed(case=case)
        with marking(case) as marks:
            async with asyncio.TaskGroup() as group:
                tasks = {
                    one.id: [group.create_task(self._rate(briefed, one, models)) for _ in range(self.samples)]
                    for one in field.entrants
                }
            suspicious = await marks
        asked = {one: [task.result() for task in each] for one, each in tasks.items()}
        scores: dict[CandidateId, float] = {}
        for one, each in asked.items():
            heard = [self._score(sample.said) for sample in each if sample.said is not None]
            if heard:
                mean = math.fsum(heard) / len(heard)
                scores[one] = mean
        verdict = self._verdict(
            case, field.shared(case, scores), [sample for each in asked.values() for sample in each]
        )
        exchanges = briefed.exchanges + verdict.exchanges
        return replace(
            verdict,
            exchanges=exchanges,
            flags=briefed.flags + verdict.flags + suspicious,
            usage=total(exchange.usage for exchange in exchanges),
        )

    async def _rate(self, briefed: Briefed, one: Candidate, models: Mapping[str, Model]) -> Asked[Scores]:
        names = tuple(self.criteria)

        def parse(reply: Completion) -> tuple[Scores, str] | None:
            return read_scores(reply, names)

        page = render(briefed.case, (one.id,), show_reference=True, criteria=names)
        wanted = self.top_logprobs or None
        form = ResponseFormat(type="json_schema", schema=_schema(names), name="rating", strict=True)
        return await self.ask(
            models, self.prompt_for(briefed.own, "pointwise"), page, (one.id,), parse, form=form, top_logprobs=wanted
        )

    def _score(self, ratings: Scores) -> float:
        weight = math.fsum(self.criteria.values())
        mean = math.fsum(weight_of * ratings[name] for name, weight_of in self.criteria.items()) / weight
        return min(1.0, max(0.0, (mean - LEAST) / (MOST - LEAST)))

    def _verdict(self, case: Case, scores: Mapping[CandidateId, float], asked: list[Asked[Scores]]) -> Verdict:
        unscored = [one.id for one in case.candidates if one.id not in scores]
        best = max(scores.values(), default=0.0)
        winners = () if unscored else tuple(one for one, score in scores.items() if score >= best - self.margin)
        outcome: Outcome = "abstained" if not winners else "decided" if len(winners) == 1 else "tie"
        if asked and all(one.problem == "failed" for one in asked):
            outcome = "failed"
        flags = tuple(f"unscored:{one}" for one in unscored)
        exchanges = tuple(exchange for one in asked for exchange in one.exchanges)
        return Verdict(
            judge=self.digest,
            outcome=outcome,
            winners=winners,
            scores=scores,
            exchanges=exchanges,
            flags=(*flags, "too_long") if any(one.problem == "too_long" for one in asked) else flags,
            all_bad=bool(winners) and best < self.floor,
            reason=_reason(asked, best, unscored),
            usage=total(exchange.usage for exchange in exchanges),
        )


def _reason(asked: list[Asked[Scores]], best: float, unscored: list[CandidateId]) -> str:
    if not asked:
        return "there is nothing to judge"
    if unscored:
        return next(one.reason for one in asked if one.said is None)
    return f"the best score is {best:.3f}"


def _schema(names: tuple[str, ...]) -> dict[str, object]:
    rating = {"type": "integer", "minimum": LEAST, "maximum": MOST}
    scores = {
        "type": "object",
        "properties": dict.fromkeys(names, rating),
        "required": list(names),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"reason": {"type": "string"}, "scores": scores},
        "required": ["reason", "scores"],
        "additionalProperties": False,
    }
