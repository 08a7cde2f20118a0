"""How the time of a request is shared out: whatever hangs, an answer comes in time where any candidate does."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from ensemble.errors import CallFailed, RouterError
from ensemble.fleet import Member
from ensemble.provider import Delta
from ensemble.router import Context, MemberName, Router
from ensemble.timing import decided_by, in_time, stage_end
from ensemble.types import Plan, Request, Stage
from judges.types import Completion, Prompt
from tests.ensemble.doubles import Scripted, a_fleet, a_member, a_request, failed, said
from tests.ensemble.engine import Picky, Planned, a_pipeline, panel, settle
from tests.virtual import run_virtual

FOREVER = 1e6


@dataclass
class Deaf(Scripted):
    """A connection that hangs, and loses the first cancellation as a library may."""

    async def complete(self, model: str, prompt: Prompt) -> Completion:
        try:
            await asyncio.sleep(FOREVER)
        except asyncio.CancelledError:
            await asyncio.sleep(FOREVER)
        raise AssertionError

    async def stream(self, model: str, prompt: Prompt) -> AsyncIterator[Delta | Completion]:
        yield await self.complete(model, prompt)


class Asleep(Router):
    """A router that never makes up its mind."""

    use = "asleep"

    async def plan(self, request: Request, context: Context) -> Plan:
        await asyncio.sleep(FOREVER)
        raise AssertionError


def test_time_to_commit_and_to_send_is_kept_back_and_it_is_bounded() -> None:
    assert decided_by(100, 1) == pytest.approx(100.8)
    assert decided_by(100, 55) == 154.5


def test_every_stage_but_the_last_leaves_time_for_those_behind_it() -> None:
    assert [stage_end(100, 130, stages) for stages in (3, 2, 1)] == [110, 115, 130]
    assert stage_end(140, 130, 2) == 140


def test_a_router_has_half_of_the_time() -> None:
    async def main() -> None:
        now = asyncio.get_running_loop().time()
        with pytest.raises(RouterError, match="no plan within 5 s"):
            await in_time(asyncio.sleep(FOREVER), now, now + 10)
        assert asyncio.get_running_loop().time() == now + 5

    run_virtual(main())


def test_a_router_that_hangs_leaves_time_for_the_members_it_falls_back_to() -> None:
    async def main() -> None:
        fleet, _ = a_fleet(a=a_member("a", delay_s=FOREVER), b=a_member("b", delay_s=1))
        pipeline, kept = a_pipeline(fleet, Asleep(fallback=(MemberName("a"), MemberName("b"))))
        assert (await pipeline.answer(a_request(seconds=10))).member == "b"
        assert kept.records[0].plan is not None
        assert "no plan within" in kept.records[0].plan.reason

    run_virtual(main())


def test_an_answer_that_came_after_its_stage_was_over_is_better_than_none() -> None:
    async def main() -> None:
        fleet, _ = a_fleet(a=a_member("a", delay_s=7), b=a_member("b", delay_s=FOREVER))
        plan = Plan(router="r", stages=(Stage(members=("a",), judge="picky", accept_score=0.5), Stage(members=("b",))))
        pipeline, kept = a_pipeline(fleet, Planned(made=plan))
        answer = await pipeline.answer(a_request(seconds=10))
        assert (answer.member, answer.fallback, answer.rulings) == ("a", "member_order", ())
        assert [call.member for call in kept.records[0].calls] == ["a", "b"]

    run_virtual(main())


def test_a_call_that_cannot_be_cancelled_delays_no_answer_and_is_recorded_when_it_ends() -> None:
    async def main() -> None:
        fleet, _ = a_fleet(a=a_member("a"), b=a_member("b"))
        fleet["b"].connection = Deaf(())
        pipeline, kept = a_pipeline(fleet, panel("a", "b"))
        begin = asyncio.get_running_loop().time()
        answer = await pipeline.answer(a_request(seconds=10))
        assert asyncio.get_running_loop().time() - begin <= 10
        assert (answer.member, answer.late) == ("a", ("b",))
        await settle(pipeline)
        assert [call.failure for late in kept.lates for call in late.calls] == ["cancelled"]

    run_virtual(main())


def test_an_answer_is_in_time_in_1000_of_1000_requests_to_members_and_judges_that_hang() -> None:
    """Random panels and cascades; at least one member of each answers within its own stage's share of the time."""
    draw = random.Random(7)
    late = []

    async def one() -> bool:
        seconds = draw.choice([0.3, 1.0, 10.0, 55.0])
        names = [f"m{n}" for n in range(draw.randint(2, 6))]
        able = draw.choice(names)
        fleet = dict(a_fleet(**{name: _drawn(name, seconds, draw, able=name == able) for name in names})[0])
        for name in names:
            if name != able and draw.random() < 0.2:
                fleet[name].connection = Deaf(())
        judge = Picky(slow_s=draw.choice([0.0, seconds / 20, FOREVER]))
        pipeline, _ = a_pipeline(fleet, _router(names, draw), judge)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        request = a_request(seconds=decided_by(begin, seconds) - begin)
        answer = await pipeline.answer(request)
        took = loop.time() - begin
        if took > seconds * (1 - 1e-9):
            late.append((took, seconds, answer.plan))
        await settle(pipeline)
        return bool(answer.rulings) and answer.rulings[-1].verdict.outcome == "decided"

    async def main() -> int:
        return sum([await one() for _ in range(1000)])

    judged = run_virtual(main())
    assert not late
    assert judged > 300  # time was left for those judges that do not hang


def _drawn(name: str, seconds: float, draw: random.Random, *, able: bool) -> tuple[Member, Scripted]:
    """A member that answers in time, or one that may be slow, fail, refuse or hang."""
    if able:
        return a_member(name, f"{name}!", delay_s=draw.uniform(0, seconds / 8), max_attempts=1)
    replies: list[str | Completion | CallFailed] = [
        f"{name}!!",
        failed("overloaded"),
        said("no", finish_reason="refusal"),
    ]
    delay_s = draw.choice([seconds / 10, seconds, FOREVER])
    return a_member(name, draw.choice(replies), delay_s=delay_s, max_attempts=draw.choice([1, 3]))


def _router(names: list[str], draw: random.Random) -> Router:
    if draw.random() < 0.5:
        return panel(*names, judge=draw.choice(["picky", None]))
    cut = draw.randint(1, len(names) - 1)
    tiers = [tuple(names[:cut]), tuple(names[cut:])]
    stages = (
        Stage(members=tiers[0], judge="picky", accept_score=draw.choice([0.1, 0.9])),
        Stage(members=tiers[1], judge=draw.choice(["picky", None])),
    )
    return Planned(made=Plan(router="r", stages=stages))
