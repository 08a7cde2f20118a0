"""Ask a panel at once and let a judge choose."""

from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar, Self

from pydantic import Field, PositiveInt, model_validator

from ensemble.money import NANO, Usd
from ensemble.router import ROUTERS, Context, JudgeName, MemberName, Router
from ensemble.types import Plan, Request, Stage


@ROUTERS.register("parallel")
class Parallel(Router):
    """Fan every request out to ``members`` and serve the candidate that ``judge`` finds best.

    Attributes:
        members: the panel, most trusted first.
        samples: answers wanted from a member, where it is more than one.
        judge: left out, the first member in order with a good answer is served.
        quorum: answer once so many good candidates are in and ``grace_s`` has passed; left out, wait for all.
        grace_s: seconds that stragglers get after the quorum.
        call_timeout_s: most seconds of one call with its retries.
        straggler_s: seconds that calls may go on after the answer, to be logged and judged; 0 cancels them.
        straggler_usd: no call goes on once the request has cost so much.
        judge_reserve_s: seconds before the deadline that are kept for the judge; left out, a fifth of the whole.
        min_panel: least number of good candidates, of the demanded form, for a trusted verdict.
        hedge: ask a member again that is slower than its own 95th percentile; the first good answer is taken.
        logprobs: ask for the logprobs of answers too, which a scorer learns from; clients see what they asked for.
    """

    outside: ClassVar[frozenset[str]] = Router.outside | {"logprobs"}

    members: tuple[MemberName, ...] = Field(min_length=1)
    samples: Mapping[MemberName, PositiveInt] = Field(default_factory=dict)
    judge: JudgeName | None = None
    quorum: PositiveInt | None = None
    grace_s: float = Field(0.0, ge=0, le=600)
    call_timeout_s: float | None = Field(None, gt=0, le=3600)
    straggler_s: float = Field(0.0, ge=0, le=3600)
    straggler_usd: Usd | None = None
    judge_reserve_s: float | None = Field(None, ge=0, le=600)
    min_panel: PositiveInt = 1
    hedge: bool = False
    logprobs: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.members)) < len(self.members):
            raise ValueError("members: a member is named twice; use samples for several answers of one member")
        if unknown := set(self.samples) - set(self.members):
            raise ValueError(f"samples: {', '.join(sorted(unknown))} is not among members")
        seats = sum(self.samples.get(member, 1) for member in self.members)
        if self.quorum is not None and self.quorum > seats:
            raise ValueError(f"quorum: {self.quorum} is more than the {seats} candidates of the panel")
        return self

    async def plan(self, request: Request, context: Context) -> Plan:
        """A plan of one stage with the whole panel."""
        return self._whole

    @cached_property
    def _whole(self) -> Plan:
        """The plan, which is the same for every request."""
        cap = self.straggler_usd
        stage = Stage(
            members=self.members,
            samples={str(member): number for member, number in self.samples.items()},
            judge=self.judge,
            quorum=self.quorum,
            grace_s=self.grace_s,
            call_timeout_s=self.call_timeout_s,
            straggler_s=self.straggler_s,
            straggler_nano_usd=None if cap is None else int(cap * NANO),
            judge_reserve_s=self.judge_reserve_s,
            min_panel=self.min_panel,
            hedge=self.hedge,
            logprobs=self.logprobs,
        )
        return Plan(router=self.digest, stages=(stage,), fallback=self.fallback, reason="the whole panel")
