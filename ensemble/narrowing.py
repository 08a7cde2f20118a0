"""Limits that a request states, ``metadata.max_cost_usd`` and ``max_latency_ms``, and the plan that keeps them.

They hold for what is done for the answer: candidates and judges until it leaves. What is called afterwards for labels
alone is the operator's own affair.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from ensemble.errors import Infeasible, InvalidRequest
from ensemble.estimates import Estimates, Need
from ensemble.money import NANO, Usd, usd
from ensemble.types import Plan, Stage

COST, LATENCY = "max_cost_usd", "max_latency_ms"
T = TypeVar("T")
_USD: TypeAdapter[Decimal] = TypeAdapter(Usd)
_MS: TypeAdapter[float] = TypeAdapter(Annotated[float, Field(gt=0, le=3_600_000, allow_inf_nan=False)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Most nano-USD and seconds for an answer, as far as they are limited; below 0 nothing fits any more."""

    nano_usd: int | None = None
    seconds: float | None = None

    def __bool__(self) -> bool:
        return self.nano_usd is not None or self.seconds is not None

    def hold(self, need: Need) -> bool:
        """Whether ``need`` is known to fit."""
        cheap = self.nano_usd is None or (need.nano_usd is not None and need.nano_usd <= self.nano_usd)
        fast = self.seconds is None or (need.seconds is not None and need.seconds <= self.seconds)
        return cheap and fast

    def less(self, need: Need) -> "Limits":
        """What is left after ``need``; nothing where that is not known."""
        cost, time = self.nano_usd, self.seconds
        return Limits(
            nano_usd=None if cost is None else -1 if need.nano_usd is None else cost - need.nano_usd,
            seconds=None if time is None else -1.0 if need.seconds is None else time - need.seconds,
        )

    def excess(self, need: Need) -> tuple[float, ...]:
        """How far ``need`` goes beyond the limits, as shares of them, the larger first; infinite where not known."""
        pairs = ((self.nano_usd, need.nano_usd), (self.seconds, need.seconds))
        shares = [
            math.inf if needed is None else needed / max(limit, 1e-9) for limit, needed in pairs if limit is not None
        ]
        return tuple(sorted(shares, reverse=True))

    @property
    def told(self) -> str:
        """As a client reads it."""
        cost = [] if self.nano_usd is None else [f"{COST} {usd(self.nano_usd)}"]
        time = [] if self.seconds is None else [f"{LATENCY} {self.seconds * 1000:g}"]
        return ", ".join([*cost, *time])

    @property
    def param(self) -> str:
        """The field of a request that states them: ``metadata`` where it is two."""
        names = [name for name, limit in ((COST, self.nano_usd), (LATENCY, self.seconds)) if limit is not None]
        return ".".join(["metadata", *names[: 2 - len(names)]])


_NO_LIMITS = Limits()


def limits_of(metadata: Mapping[str, str]) -> Limits:
    """The limits among a request's metadata.

    Raises:
        InvalidRequest: a value is none; ``param`` names it.
    """
    if COST not in metadata and LATENCY not in metadata:
        return _NO_LIMITS
    cost = _read(_USD, metadata, COST, 'US dollars with at most 9 decimals, such as "0.002"')
    time = _read(_MS, metadata, LATENCY, 'milliseconds, above 0, such as "1500"')
    return Limits(nano_usd=None if cost is None else int(cost * NANO), seconds=None if time is None else time / 1000)


def _read(kind: TypeAdapter[T], metadata: Mapping[str, str], name: str, wanted: str) -> T | None:
    value = metadata.get(name)
    try:
        return None if value is None else kind.validate_strings(value)
    except ValidationError:
        told = f"metadata.{name}: must be a number of {wanted}, not {value!r:.50}"
        raise InvalidRequest(told, param=f"metadata.{name}") from None


def narrow(
    plan: Plan, stated: Limits, left: Limits, estimates: Estimates, others: Sequence[str] = (), *, refuse: bool = False
) -> Plan:
    """``plan`` with what fits into ``left``, that is, ``stated`` less what has been spent by now.

    Members that would not fit are left out of their stage, the least trusted first; tiers of a cascade that would not
    fit behind those before them are cut. Where nothing is left, that member among the plan's predictions and ``others``
    is asked which fits and is predicted to be best, or is the dearest; where none fits, the one that exceeds the limits
    least, with a warning. A plan that was drawn and is narrowed has no propensities any more.

    Raises:
        Infeasible: none fits, and ``refuse`` is set.
    """
    stages = tuple(stage for chain in _chains(plan.stages) for stage in _fitting(chain, left, estimates))
    if stages == plan.stages:
        return plan
    if not stages:
        return _one(plan, stated, left, estimates, others, refuse=refuse)
    told = " -> ".join("+".join(stage.members) for stage in stages)
    return replace(plan, stages=stages, propensities={}, reason=f"{plan.reason}; narrowed to {told} by {stated.told}")


def _chains(stages: Sequence[Stage]) -> Iterator[Sequence[Stage]]:
    """Stages that run one after the other; what follows a stage that is always content runs only if that one failed."""
    chain: list[Stage] = []
    for stage in stages:
        chain.append(stage)
        if stage.accept_score <= 0:
            yield chain
            chain = []
    if chain:
        yield chain


def _fitting(chain: Sequence[Stage], left: Limits, estimates: Estimates) -> Sequence[Stage]:
    kept: list[Stage] = []
    for stage in chain:
        cut = _cut(stage, left, estimates) or _cut(_last(stage), left, estimates)
        if cut is None:
            continue
        kept.append(cut)
        left = left.less(estimates.stage(cut))
        if cut.accept_score <= 0:
            break
    if kept and kept[-1].accept_score > 0 and kept[-1] is not chain[-1]:
        kept[-1] = _last(kept[-1])
    return kept


def _cut(stage: Stage, left: Limits, estimates: Estimates) -> Stage | None:
    """``stage`` with the members that fit, the most trusted first; None where none does."""
    if left.hold(estimates.stage(stage)):
        return stage
    members: tuple[str, ...] = ()
    for member in stage.members:
        if left.hold(estimates.stage(_only(stage, (*members, member)))):
            members = (*members, member)
    return _only(stage, members) if members else None


def _only(stage: Stage, members: tuple[str, ...]) -> Stage:
    samples = {name: number for name, number in stage.samples.items() if name in members}
    fewer = replace(stage, members=members, samples=samples)
    seats = len(fewer.seats())
    return replace(
        fewer,
        judge=stage.judge if seats > 1 or stage.accept_score > 0 else None,
        quorum=None if stage.quorum is None else min(stage.quorum, seats),
    )


def _last(stage: Stage) -> Stage:
    """``stage`` as the last one, whose answer always stands."""
    return _only(replace(stage, accept_score=0.0), stage.members)


def _one(
    plan: Plan, stated: Limits, left: Limits, estimates: Estimates, others: Sequence[str], *, refuse: bool
) -> Plan:
    """A plan of one member, where no stage of ``plan`` can be kept."""
    planned = [member for stage in plan.stages for member in stage.members]
    known = [name for name in dict.fromkeys([*planned, *plan.predicted, *others]) if name in estimates.fleet]
    able = [name for name in known if estimates.fleet[name].refusal(estimates.prompt) is None]
    needs = {name: estimates.call(name) for name in able or known}
    if not needs:
        return plan
    fitting = [name for name, need in needs.items() if left.hold(need)]
    warnings = plan.warnings
    if fitting:
        name = max(fitting, key=lambda one: (plan.predicted.get(one, -1.0), needs[one].nano_usd or 0))
        told = f"narrowed to {name} by {stated.told}"
    else:
        name = min(needs, key=lambda one: left.excess(needs[one]))
        told = _warning(name, stated, needs[name])
        if refuse:
            raise Infeasible(told, param=stated.param)
        warnings = (*warnings, told)
    stage = replace(_last(plan.stages[0]), members=(name,), samples={}, judge=None, quorum=None)
    return replace(plan, stages=(stage,), propensities={}, reason=f"{plan.reason}; {told}", warnings=warnings)


def _warning(name: str, stated: Limits, need: Need) -> str:
    cost = "an unknown cost" if need.nano_usd is None else f"up to {usd(need.nano_usd)} USD"
    time = "an unknown time" if need.seconds is None else f"up to {need.seconds * 1000:.0f} ms"
    needed = [told for told, limit in ((cost, stated.nano_usd), (time, stated.seconds)) if limit is not None]
    return f"{stated.told} cannot be kept for sure: the nearest member, {name}, needs {' and '.join(needed)}"
