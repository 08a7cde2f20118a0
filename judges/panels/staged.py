"""Cheap judges first, dear ones only where the cheap have nothing certain to say."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from judges.judge import JUDGES, AnyJudge, Judge
from judges.panels._ballots import cost, hear, raised
from judges.screen import only
from judges.types import CandidateId, Case, Model, Verdict


@JUDGES.register("staged")
class Staged(Judge):
    """``stages`` in turn, until one decides with at least ``min_confidence``; an uncalibrated one is taken at its word.

    A stage that ties leaves its winners to the next stage, so filters such as ``refusal`` narrow the field; the tie of
    a judge named in ``accept_ties`` ends it, since agreement on an answer makes its winners equally right. An
    abstention, a failure or a decision that is not certain enough passes the same field on. If no stage decides, the
    verdict is that of the last stage, or the last tie where the last stage abstains.
    """

    stages: Annotated[tuple[AnyJudge, ...], Field(min_length=1)]
    min_confidence: float = Field(default=0.0, ge=0.0, le=1.0)
    accept_ties: frozenset[str] = frozenset({"answer"})

    @property
    def scores_candidates(self) -> bool:
        return all(stage.scores_candidates for stage in self.stages)

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        ballots: list[Verdict] = []
        field = case
        finding: Verdict | None = None
        for stage in self.stages:
            ballot = await hear(stage, field, models)
            ballots.append(ballot)
            if self._ends(stage, ballot):
                finding = ballot
                break
            if ballot.outcome == "tie":
                field = only(field, list(ballot.winners))
        return self._verdict(case, finding or _least_bad(ballots), ballots)

    def settled(self, case: Case, outstanding: int) -> bool:
        return any(stage.settled(case, outstanding) for stage in self.stages)

    def _ends(self, stage: Judge, ballot: Verdict) -> bool:
        if ballot.outcome == "decided":
            return ballot.confidence is None or ballot.confidence >= self.min_confidence
        return ballot.outcome == "tie" and stage.use in self.accept_ties

    def _verdict(self, case: Case, finding: Verdict, ballots: list[Verdict]) -> Verdict:
        kept: frozenset[CandidateId] = frozenset(finding.winners)
        return replace(
            finding,
            judge=self.digest,
            winners=tuple(one.id for one in case.candidates if one.id in kept),
            # The questions stay with the ballot that asked them, or they would count twice.
            preferences=(),
            exchanges=(),
            ballots=tuple(ballots),
            flags=raised(ballots),
            usage=cost(ballots),
        )


def _least_bad(ballots: list[Verdict]) -> Verdict:
    """What is left to say where no stage was certain: a failure of the last stage is one, and is not papered over."""
    last = ballots[-1]
    if last.outcome == "abstained":
        ties = [ballot for ballot in ballots if ballot.outcome == "tie"]
        return ties[-1] if ties else last
    return last
