"""Route, cascade or fan out, by how sure a router is and how much is at stake."""

from dataclasses import replace
from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from ensemble.errors import InvalidRequest, RouterError
from ensemble.router import ROUTERS, AnyRouter, Context, Router
from ensemble.routers._nested import planned
from ensemble.routers.rules import Condition, task_set_by
from ensemble.types import Plan, Request

Stakes = Literal["low", "normal", "high"]
_CRITICAL = Condition(tasks=("critical_decision",))


@ROUTERS.register("auto")
class Auto(Router):
    """Take the plan of ``router`` where it is sure, of ``panel`` where it is unsure, of ``cascade`` in between.

    It is as sure as it predicts the member to be that it would ask first. Its lead over the next one would say less: on
    an easy request all are good. One that predicts nothing counts as neither sure nor unsure. A request states what is
    at stake as ``metadata.stakes``: ``high`` always goes to the panel, ``low`` to what is one step cheaper than
    otherwise. Where ``router`` has no plan the panel is asked.

    Attributes:
        router: chooses one member: `learned`, `rules`, `llm` or any other.
        panel: fans out, such as `parallel` with a judge.
        cascade: asks the cheap member first; left out, `router` takes its place.
        confident: least predicted score at which one member is enough.
        unsure: below this predicted score the panel is asked.
        high: conditions as those of `rules`; a request that shows one has high stakes, whatever it states.
    """

    router: AnyRouter
    panel: AnyRouter
    cascade: AnyRouter | None = None
    confident: float = Field(0.8, ge=0, le=1)
    unsure: float = Field(0.5, ge=0, le=1)
    high: tuple[Condition, ...] = (_CRITICAL,)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.unsure > self.confident:
            raise ValueError(f"unsure: {self.unsure:g} is above confident, {self.confident:g}")
        return self

    async def plan(self, request: Request, context: Context) -> Plan:
        """The plan of the part that was taken.

        Raises:
            InvalidRequest: ``metadata.stakes`` is none of low, normal and high.
            RouterError: the part that was taken has no plan and no fallback.
        """
        stakes, why = self._stakes(request)
        if stakes == "high":
            return await self._by(self.panel, f"fan-out, since stakes are high ({why})", request, context)
        routed = await planned(self.router, request, context)
        if isinstance(routed, RouterError):
            return await self._by(self.panel, f"fan-out, since the router failed ({routed})", request, context)
        step, told = self._step(routed)
        if stakes == "low":
            step, told = max(0, step - 1), f"{told}, stakes are low"
        if step == 2:
            return await self._by(self.panel, f"fan-out, since {told}", request, context, routed)
        if step == 1 and self.cascade is not None:
            return await self._by(self.cascade, f"cascade, since {told}", request, context, routed)
        return self._signed(routed, f"route, since {told}")

    def _stakes(self, request: Request) -> tuple[Stakes, str]:
        stated = request.metadata.get("stakes", "normal")
        stakes: Stakes | None = next((one for one in get_args(Stakes) if one == stated), None)
        if stakes is None:
            told = f"metadata.stakes: must be one of {', '.join(get_args(Stakes))}"
            raise InvalidRequest(told, param="metadata.stakes")
        task, last = task_set_by(request)
        for number, condition in enumerate(self.high, 1):
            if condition.holds(request, task, last):
                return "high", f"{task}, condition {number}"
        return stakes, "as stated"

    def _step(self, routed: Plan) -> tuple[int, str]:
        """0 for one member, 1 for a cascade, 2 for the panel; and why."""
        first = routed.stages[0].members[0]
        sure = routed.predicted.get(first)
        if sure is None:
            return 1, f"nothing is predicted of {first}"
        return (sure < self.confident) + (sure < self.unsure), f"{first} is predicted {sure:.2f}"

    async def _by(self, part: Router, why: str, request: Request, context: Context, routed: Plan | None = None) -> Plan:
        plan = await planned(part, request, context)
        if isinstance(plan, RouterError):
            raise plan
        known = routed.predicted if routed else {}
        return self._signed(replace(plan, predicted=plan.predicted or known), why)

    def _signed(self, plan: Plan, why: str) -> Plan:
        return replace(
            plan, router=self.digest, fallback=plan.fallback or self.fallback, reason=f"{why}: {plan.reason}"
        )
