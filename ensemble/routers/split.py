"""Weights over routers: experiments and canaries."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Self

from pydantic import Field, model_validator

from ensemble.errors import RouterError
from ensemble.router import ROUTERS, AnyRouter, Context, Router
from ensemble.routers._nested import planned
from ensemble.types import Plan, Request


@ROUTERS.register("split")
class Split(Router):
    """Share requests between ``arms`` by ``weights``; a conversation stays with its arm.

    Every arm plans every request, since the propensity of a member is the sum over the arms that would call it: an arm
    that asks a model is paid for all requests.

    Attributes:
        arms: routers by name.
        weights: share of each arm, in any unit; 0 turns an arm off.
        seed: another seed deals the conversations anew.
    """

    arms: Mapping[str, AnyRouter] = Field(min_length=1)
    weights: Mapping[str, float] = Field(min_length=1)
    seed: int = 0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if odd := set(self.weights) ^ set(self.arms):
            raise ValueError(f"weights: {', '.join(sorted(odd))} must stand both in arms and in weights")
        if not all(0 <= weight < float("inf") for weight in self.weights.values()) or not any(self.weights.values()):
            raise ValueError("weights: must be 0 or more and finite, one of them above 0")
        return self

    async def plan(self, request: Request, context: Context) -> Plan:
        """The plan of the arm that the conversation was dealt.

        Raises:
            RouterError: that arm has no plan and no fallback.
        """
        total = sum(self.weights.values())
        shares = {name: self.weights[name] / total for name in sorted(self.arms) if self.weights[name]}
        name = self._dealt(request, shares)
        plans = {arm: await planned(self.arms[arm], request, context) for arm in shares}
        plan = plans[name]
        if isinstance(plan, RouterError):
            raise plan
        drawn: dict[str, float] = defaultdict(float)
        for arm, other in plans.items():
            if not isinstance(other, RouterError):
                for member, share in _named(other).items():
                    drawn[member] += shares[arm] * share
        return replace(
            plan,
            router=self.digest,
            fallback=plan.fallback or self.fallback,
            propensities={member: min(1.0, share) for member, share in drawn.items()},
            reason=f"arm {name} ({shares[name]:.3g}): {plan.reason}",
        )

    def _dealt(self, request: Request, shares: Mapping[str, float]) -> str:
        # The arms are part of it, since a split that is an arm of another one must not draw along with that.
        key = f"{self.seed}\0{','.join(sorted(self.arms))}\0{request.conversation or request.id}".encode()
        point = int.from_bytes(hashlib.sha256(key).digest()[:8]) / 2**64
        for name, share in shares.items():
            point -= share
            if point < 0:
                return name
        return list(shares)[-1]


def _named(plan: Plan) -> Mapping[str, float]:
    """Probability per member of being called, were no call to fail; 1 for what a deterministic router names."""
    if plan.propensities:
        return plan.propensities
    members = list(plan.shadow)
    for stage in plan.stages:
        members += stage.members
        if stage.accept_score <= 0:
            break  # what follows is asked only where nobody answers
    return dict.fromkeys(members, 1.0)
