"""Limits that requests state, kept for every router; on a virtual clock, over members of known prices and speeds."""

import asyncio
import random
from typing import Any

import pytest

from ensemble.errors import Infeasible, InvalidRequest
from ensemble.habits import LEAST
from ensemble.money import total
from ensemble.narrowing import Limits, limits_of
from ensemble.pipeline import Pipeline
from ensemble.router import Router
from ensemble.routers.cascade import Cascade
from ensemble.routers.rules import Rules
from ensemble.routers.single import Single
from ensemble.types import Answer, Plan, Stage
from tests.ensemble.doubles import a_fleet, a_member, a_request, said
from tests.ensemble.engine import Kept, Picky, Planned, a_pipeline, panel
from tests.virtual import run_virtual

SMALL, MIDDLE, LARGE, CRITIC = 20_000, 60_000, 200_000, 20_000
"""Nano-USD of one answer of 10 tokens in and 5 out."""


def tiers(**large: Any) -> Any:
    """Three tiers, 0.1, 0.4 and 1 second away, and a model for a judge."""
    return a_fleet(
        small=a_member("small", "x!", delay_s=0.1),
        middle=a_member("middle", "x!!", delay_s=0.4, price={"input": 3, "output": 6}),
        large=a_member("large", "x!!!", delay_s=1.0, **{"price": {"input": 10, "output": 20}, **large}),
        critic=a_member("critic", "first", delay_s=0.2),
    )[0]


async def warm(router: Router, fleet: Any = None, judge: Any = None) -> tuple[Pipeline, Kept]:
    """A pipeline whose members and judge have answered often enough to be known."""
    pipeline, kept = a_pipeline(tiers() if fleet is None else fleet, panel("small", "middle", "large"), judge)
    for size in (("small", "middle", "large"), ("small", "middle")):
        known = Pipeline(
            routers={"panel": panel(*size)}, fleet=pipeline.fleet, judges=pipeline.judges, store=pipeline.store,
            stragglers=pipeline.stragglers, config="c", sittings=pipeline.sittings,
        )  # fmt: skip
        for _ in range(LEAST):
            await known.answer(a_request())
    kept.records.clear()
    routed = Pipeline(
        routers={"panel": router}, fleet=pipeline.fleet, judges=pipeline.judges, store=pipeline.store,
        stragglers=pipeline.stragglers, config="c", sittings=pipeline.sittings,
    )  # fmt: skip
    return routed, kept


def usd(nano: float) -> str:
    return f"{nano / 1e9:.9f}"


def asked(router: Router, *, judge: Any = None, fleet: Any = None, **limits: str) -> tuple[list[str], Answer, float]:
    """Members that were called with ``limits`` in the metadata, the answer, and the seconds that it took."""

    async def main() -> tuple[list[str], Answer, float]:
        pipeline, kept = await warm(router, fleet, judge)
        begin = asyncio.get_running_loop().time()
        answer = await pipeline.answer(a_request(metadata=limits))
        calls = [call.member for call in kept.records[0].calls if call.purpose == "candidate"]
        return calls, answer, asyncio.get_running_loop().time() - begin

    return run_virtual(main())


def test_without_limits_and_with_wide_ones_the_plan_is_the_routers_own() -> None:
    for limits in ({}, {"max_cost_usd": "1"}, {"max_latency_ms": "5000"}):
        members, answer, _ = asked(panel("small", "middle", "large"), **limits)
        assert (members, answer.plan.warnings) == (["small", "middle", "large"], ())
        assert answer.plan.reason == "the whole panel"


@pytest.mark.parametrize(
    ("nano", "members"),
    [
        (SMALL + MIDDLE + LARGE, ["small", "middle", "large"]),
        (SMALL + MIDDLE + LARGE - 1, ["small", "middle"]),
        (SMALL + MIDDLE - 1, ["small"]),
        (SMALL, ["small"]),
    ],
)
def test_a_panel_keeps_the_most_trusted_members_that_fit_together(nano: int, members: list[str]) -> None:
    called, answer, _ = asked(panel("small", "middle", "large"), max_cost_usd=usd(nano))
    assert called == members
    assert (total(call.usage.nano_usd for call in answer.calls).exact or 0) <= nano
    assert not answer.plan.warnings


def test_what_the_judge_costs_and_takes_counts() -> None:
    judge = Picky(asks="critic")
    both = SMALL + MIDDLE + CRITIC
    called, answer, _ = asked(panel("small", "middle"), judge=judge, max_cost_usd=usd(both))
    assert (called, answer.rulings[0].judge) == (["small", "middle"], "picky")
    called, answer, _ = asked(panel("small", "middle"), judge=judge, max_cost_usd=usd(both - 1))
    assert (called, answer.rulings) == (["small"], ())
    called, _, seconds = asked(panel("small", "middle"), judge=judge, max_latency_ms="601")
    assert called == ["small", "middle"]
    assert seconds <= 0.601
    called, _, _ = asked(panel("small", "middle"), judge=judge, max_latency_ms="599")
    assert called == ["small"]


def test_a_slow_member_is_left_out_whatever_it_costs() -> None:
    called, _, seconds = asked(panel("large", "small", "middle"), max_latency_ms="500")
    assert called == ["small", "middle"]
    assert seconds <= 0.5


TIERS = [
    {"members": ["small"], "accept_score": 0.9},
    {"members": ["middle"], "accept_score": 0.9},
    {"members": ["large"]},
]


@pytest.mark.parametrize(
    ("nano", "members"),
    [
        (SMALL + MIDDLE + LARGE, ["small", "middle", "large"]),
        (SMALL + MIDDLE + LARGE - 1, ["small", "middle"]),
        (SMALL + MIDDLE - 1, ["small"]),
    ],
)
def test_tiers_of_a_cascade_that_would_exceed_in_sum_are_cut(nano: int, members: list[str]) -> None:
    cascade = Cascade.model_validate({"judge": "picky", "tiers": TIERS})
    called, answer, _ = asked(cascade, max_cost_usd=usd(nano))
    assert (called, answer.member) == (members, members[-1])
    assert answer.plan.stages[-1].accept_score == 0
    assert ("narrowed to" in answer.plan.reason) is (len(members) < 3)


def test_stages_that_run_only_on_failure_are_not_added_up() -> None:
    stages = tuple(Stage(members=(name,)) for name in ("middle", "large", "small"))
    plan = Plan(router="r", stages=stages, propensities={"middle": 0.5})
    _, answer, _ = asked(Planned(made=plan), max_cost_usd=usd(MIDDLE))
    assert [stage.members for stage in answer.plan.stages] == [("middle",), ("small",)]
    assert answer.plan.propensities == {}, "of a narrowed plan it is not known with which chance it was drawn"


def test_another_member_of_the_router_takes_the_place_of_one_that_does_not_fit() -> None:
    rules = Rules.model_validate({"small": "small", "balanced": "middle", "large": "large"})
    called, answer, _ = asked(rules, max_cost_usd=usd(LARGE - 1))
    assert (called, answer.plan.warnings) == (["middle"], ())
    plan = Plan(router="r", stages=(Stage(members=("large",)),), predicted={"small": 0.8, "middle": 0.7, "large": 0.9})
    called, answer, _ = asked(Planned(made=plan), max_cost_usd=usd(LARGE - 1))
    assert called == ["small"], "the best by prediction goes before the dearest"


@pytest.mark.parametrize(
    ("limits", "member", "told"),
    [
        (
            {"max_cost_usd": "0.000001"},
            "small",
            "max_cost_usd 0.000001 cannot be kept for sure: the nearest member, small",
        ),
        ({"max_latency_ms": "5"}, "small", "needs up to 100 ms"),
        ({"max_cost_usd": "0"}, "small", "needs up to 0.00002 USD"),
    ],
)
def test_where_nothing_fits_the_nearest_member_answers_with_a_warning(
    limits: dict[str, str], member: str, told: str
) -> None:
    called, answer, _ = asked(panel("large", "middle", "small"), **limits)
    assert called == [member]
    assert told in answer.plan.warnings[0]
    assert answer.plan.warnings[0] in answer.plan.reason


def test_a_router_may_refuse_instead_and_the_refusal_is_in_the_log() -> None:
    async def main() -> None:
        pipeline, kept = await warm(panel("small", "large", infeasible="refuse"))
        with pytest.raises(Infeasible, match="max_latency_ms 5 cannot be kept"):
            await pipeline.answer(a_request(metadata={"max_latency_ms": "5"}))
        assert (kept.records[0].status, kept.records[0].error, kept.records[0].calls) == ("failed", "infeasible", ())

    run_virtual(main())


def test_where_the_log_knows_nothing_the_output_limit_bounds_the_cost() -> None:
    async def main() -> None:
        fleet = a_fleet(
            small=a_member("small", max_output_tokens=100), large=a_member("large", price={"input": 10, "output": 20})
        )[0]
        for limit, member, warned in (("0.001", "small", False), ("0.0001", "small", True)):
            pipeline, kept = a_pipeline(fleet, panel("large", "small"))
            answer = await pipeline.answer(a_request(metadata={"max_cost_usd": limit}))
            assert [call.member for call in kept.records[0].calls] == [member], "nothing bounds the large member"
            assert bool(answer.plan.warnings) is warned
        pipeline, _ = a_pipeline(fleet, panel("large", "small"))
        answer = await pipeline.answer(a_request(metadata={"max_latency_ms": "9000"}))
        assert "an unknown time" in answer.plan.warnings[0]
        answer = await pipeline.answer(a_request(metadata={"max_latency_ms": "9000", "max_cost_usd": "1"}))
        assert (answer.member, answer.plan.stages[0].members) == ("small", ("small",)), "the cost tells them apart"

    run_virtual(main())


def test_an_unknown_price_is_never_within_a_limit() -> None:
    async def main() -> None:
        pipeline, _ = await warm(Single.model_validate({"member": "large"}), tiers(price=()))
        answer = await pipeline.answer(a_request(metadata={"max_cost_usd": "100"}))
        assert answer.member == "large", "who names a member gets it"
        assert "an unknown cost" in answer.plan.warnings[0]

    run_virtual(main())


def test_random_limits_are_kept_wherever_no_warning_is_given() -> None:
    """Answers of scattered length and speed: 99 % of the promises hold, and most of them are promises to keep."""
    draw = random.Random(7)

    async def main() -> tuple[int, int]:
        pipeline, kept = await warm(panel("small", "middle", "large"), scattered(draw))
        promised = broken = 0
        for _ in range(600):
            cost, time = usd(int(10 ** draw.uniform(3.5, 6.2))), str(draw.uniform(20, 4000))
            limits = draw.choice(
                ({"max_cost_usd": cost}, {"max_latency_ms": time}, {"max_cost_usd": cost, "max_latency_ms": time})
            )
            answer = await pipeline.answer(a_request(metadata=limits))
            record = kept.records[-1]
            if answer.plan.warnings:
                continue
            promised += 1
            stated = limits_of(limits)
            spent = total(call.usage.nano_usd for call in record.calls).exact
            dear = stated.nano_usd is not None and (spent is None or spent > stated.nano_usd)
            late = stated.seconds is not None and record.answered_s > stated.seconds
            broken += dear or late
        return promised, broken

    promised, broken = run_virtual(main())
    assert promised > 300
    assert broken <= 0.01 * promised


def scattered(draw: random.Random) -> Any:
    """The tiers with answers of log-normal length that take their time."""
    fleet, wires = a_fleet(
        small=a_member("small"),
        middle=a_member("middle", price={"input": 3, "output": 6}),
        large=a_member("large", price={"input": 10, "output": 20}),
    )
    for slow, wire in zip((1, 4, 10), wires.values(), strict=True):

        async def complete(model: str, prompt: Any, slow: int = slow) -> Any:
            length = int(20 * draw.lognormvariate(0, 0.6))
            await asyncio.sleep(0.002 * length * slow)
            reply = said("x" + "!" * slow)
            return type(reply)(
                text=reply.text,
                finish_reason="stop",
                usage=reply.usage.__class__(input_tokens=10, output_tokens=length),
            )

        wire.complete = complete  # type: ignore[method-assign]
    return fleet


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_cost_usd", value)
        for value in ("", "cheap", "-1", "nan", "inf", "1e999999999", "0.00000000001", "2000000", "1,5", "None")
    ]
    + [("max_latency_ms", value) for value in ("", "fast", "0", "-5", "nan", "inf", "1e300", "1s")],
)
def test_what_is_no_limit_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"metadata\.{name}: must be a number of") as caught:
        limits_of({name: value})
    assert caught.value.param == f"metadata.{name}"


def test_limits_are_read_exactly() -> None:
    assert limits_of({"team": "red"}) == Limits()
    assert not limits_of({})
    assert limits_of({"max_cost_usd": "0.000000001", "max_latency_ms": "1500"}) == Limits(nano_usd=1, seconds=1.5)
    assert limits_of({"max_cost_usd": "1e-3"}) == Limits(nano_usd=1_000_000)
