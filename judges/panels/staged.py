"""Cheap judges first, dear ones only where the cheap have nothing certain to say."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from judges.calibration import STAGE, signal
from judges.judge import JUDGES, AnyJudge, Judge
from judges.panels._ballots import cost, hear, raised
from judges.screen import only
from judges.types import CandidateId, Case, Model, Verdict

Share = Annotated[float, Field(ge=0.0, le=1.0)]


@JUDGES.register("staged")
class Staged(Judge):
    """``stages`` in turn, until one is sure enough: verifiers, then agreement, a cheap judge, and a strong one last.

    A stage decides with at least ``min_confidence``, one number for all or one for each: its calibrated confidence, or
    where it has none the raw signal (0.67 for one page, 0.8 for two orders that agree, less for a weak label); a
    verifier, which shows neither, is taken at its word. A stage that ties leaves its winners to the next, so verifiers
    narrow the field; the tie of a judge named in ``accept_ties`` ends it, since agreement on an answer makes its
    winners equally right. An abstention, a failure or a decision that is not sure enough passes the same field on.

    If no stage decides, the verdict is that of the last stage, or the last tie where the last stage abstains, with the
    flag ``unsure``. The flag ``stage:2`` says whose finding it is, counted from 1; every ballot until there is kept.
    """

    version: ClassVar[int] = 2

    stages: Annotated[tuple[AnyJudge, ...], Field(min_length=1)]
    min_confidence: Share | tuple[Share, ...] = 0.6
    accept_ties: frozenset[str] = frozenset({"answer"})

    @model_validator(mode="after")
    def _one_each(self) -> "Staged":
        if isinstance(self.min_confidence, tuple) and len(self.min_confidence) != len(self.stages):
            told = f"{len(self.min_confidence)} numbers for {len(self.stages)} stages"
            raise ValueError(f"min_confidence: give one number, or one for each stage; here are {told}")
        return self

    @property
    def scores_candidates(self) -> bool:
        return all(stage.scores_candidates for stage in self.stages)

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        ballots: list[Verdict] = []
        field = case
        for place, stage in enumerate(self.stages):
            ballot = await hear(stage, field, models)
            ballots.append(ballot)
            if self._ends(place, ballot):
                return self._verdict(case, ballots, place)
            if ballot.outcome == "tie":
                field = only(field, list(ballot.winners))
        return self._verdict(case, ballots, None)

    def settled(self, case: Case, outstanding: int) -> bool:
        return any(stage.settled(case, outstanding) for stage in self.stages)

    def _ends(self, place: int, ballot: Verdict) -> bool:
        if ballot.outcome == "tie":
            return self.stages[place].use in self.accept_ties
        if ballot.outcome != "decided":
            return False
        each = self.min_confidence
        sure = ballot.confidence if ballot.confidence is not None else signal(ballot)
        return sure is None or sure >= (each[place] if isinstance(each, tuple) else each)

    def _verdict(self, case: Case, ballots: Sequence[Verdict], decided: int | None) -> Verdict:
        """The finding of the stage that ``decided``, of that which comes nearest where none did."""
        place = _nearest(ballots) if decided is None else decided
        finding = ballots[place]
        kept: frozenset[CandidateId] = frozenset(finding.winners)
        own = (f"{STAGE}{place + 1}",) if kept else ()
        return replace(
            finding,
            judge=self.digest,
            winners=tuple(one.id for one in case.candidates if one.id in kept),
            # The questions stay with the ballot that asked them, or they would count twice.
            preferences=(),
            exchanges=(),
            ballots=tuple(ballots),
            flags=(*own, *(("unsure",) if kept and decided is None else ()), *raised(ballots)),
            reason=f"stage {place + 1} of {len(self.stages)} ({self.stages[place].use}): {finding.reason}",
            usage=cost(ballots),
        )


def _nearest(ballots: Sequence[Verdict]) -> int:
    """Which ballot to follow where no stage was sure: the last, and a failure of it is not papered over.

    Where it abstains: the last tie.
    """
    last = len(ballots) - 1
    if ballots[last].outcome != "abstained":
        return last
    return max((place for place, ballot in enumerate(ballots) if ballot.outcome == "tie"), default=last)
