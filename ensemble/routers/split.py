"""Weights over routers: experiments and canaries."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Self, TypeAlias

from pydantic import Field, model_validator

from ensemble.errors import RouterError
from ensemble.router import ROUTERS, AnyRouter, Context, Router
from ensemble.routers._nested import planned
from ensemble.types import Plan, Request

Chances: TypeAlias = Mapping[str, float | None]
"""By member; None where it hangs on the answers, as of a cascade's later steps."""


@ROUTERS.register("split")
class Split(Router):
    """Share requests between ``arms`` by ``weights``; a conversation stays with its arm.

    Every arm plans every request, since the propensity of a member is the sum over the arms that would call it: an arm
    that asks a model is paid for all requests. Where arms have their panels judged, and no watch can, it is the sum
    over these, the chance of a label, which is what `evaluate --off-policy` weighs by. Of a member that some arm asks
    only on a weak answer none is known.

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
        held = [(shares[arm], other) for arm, other in plans.items() if not isinstance(other, RouterError)]
        # A watch has whole panels judged by a lot of its own, and needs the chance of a call for those outside of them.
        by_label = not context.shadows and any(1.0 in _labelled(other).values() for _, other in held)
        chances = _labelled if by_label else _called
        return replace(
            plan,
            router=self.digest,
            fallback=plan.fallback or self.fallback,
            propensities=_over_all([(share, chances(other)) for share, other in held]),
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


def _called(plan: Plan) -> Chances:
    """Probability per member of being called, were no call to fail; 1 for what a deterministic router names."""
    if plan.propensities:
        return plan.propensities
    chances: dict[str, float | None] = dict.fromkeys((*plan.shadow, *plan.stages[0].members), 1.0)
    for before, stage in pairwise(plan.stages):
        if before.accept_score <= 0:
            break  # what follows is asked only where nobody answers
        for member in stage.members:
            chances.setdefault(member, None)
    return chances


def _labelled(plan: Plan) -> Chances:
    """Probability per member that its answer is judged beside others, without which it has no label."""
    judged = [stage for stage in plan.stages if stage.judge and len({*stage.members, *plan.shadow}) > 1]
    first, everybody = plan.stages[0], [member for stage in plan.stages for member in stage.members]
    if plan.propensities or (judged and first.accept_score > 0 and len(plan.stages) > 1):
        return dict.fromkeys((*everybody, *plan.shadow, *plan.propensities))
    return dict.fromkeys((*first.members, *plan.shadow), 1.0) if first in judged else {}


def _over_all(arms: Iterable[tuple[float, Chances]]) -> dict[str, float]:
    """The sum over arms, each with its share; without members of whom one of them does not know."""
    drawn: dict[str, float] = defaultdict(float)
    unknown = set[str]()
    for share, chances in arms:
        for member, chance in chances.items():
            if chance is None:
                unknown.add(member)
            else:
                drawn[member] += share * chance
    return {member: min(1.0, chance) for member, chance in drawn.items() if member not in unknown}
