"""What happens once the answer has left, on a virtual clock; the same over HTTP and SQLite is in tests/stories."""

import asyncio

import pytest

from ensemble.afterwards import PATIENCE_S
from ensemble.errors import StoreError
from ensemble.events import Event, LateDone
from ensemble.fanout import Stragglers
from ensemble.store.faults import Refused
from ensemble.types import Plan, Stage
from tests.ensemble.doubles import a_fleet, a_member, a_request
from tests.ensemble.engine import Planned, a_pipeline, panel, settle, trio
from tests.virtual import run_virtual


def test_stragglers_lead_to_a_second_verdict_that_may_overturn_the_first() -> None:
    async def main() -> None:
        fleet, _ = a_fleet(a=a_member("a", "x"), b=a_member("b", "x!!!", delay_s=20))
        pipeline, kept = a_pipeline(fleet, panel("a", "b", quorum=1, straggler_s=30))
        events: list[Event] = []
        answer = await pipeline.answer(a_request(), events.append)
        assert (answer.member, answer.late) == ("a", ("b",))
        assert not kept.records[0].rulings[0].complete
        assert not kept.lates
        await settle(pipeline)
        (late,) = kept.lates
        assert late.ruling is not None
        assert (late.ruling.phase, late.ruling.overturned, late.ruling.complete) == ("full", True, True)
        assert [(call.member, call.after_answer) for call in late.calls] == [("b", True)]
        assert isinstance(events[-1], LateDone)

    run_virtual(main())


def test_stragglers_end_at_their_time_and_what_they_were_is_recorded() -> None:
    async def main() -> None:
        fleet, wires = a_fleet(a=a_member("a", "x"), b=a_member("b", delay_s=50))
        pipeline, kept = a_pipeline(fleet, panel("a", "b", quorum=1, straggler_s=30))
        await pipeline.answer(a_request())
        await settle(pipeline)
        (late,) = kept.lates
        assert [(call.member, call.failure) for call in late.calls] == [("b", "cancelled")]
        assert late.ruling is None
        assert wires["b"].cancelled == 1

    run_virtual(main())


@pytest.mark.parametrize(("cap", "goes_on"), [("0.000001", False), ("1", True)])
def test_no_straggler_goes_on_beyond_the_cost_cap(cap: str, goes_on: bool) -> None:
    async def main() -> None:
        fleet, wires = a_fleet(a=a_member("a", "x"), b=a_member("b", delay_s=5))
        pipeline, kept = a_pipeline(fleet, panel("a", "b", quorum=1, straggler_s=30, straggler_usd=cap))
        await pipeline.answer(a_request())
        await settle(pipeline)
        assert bool(kept.lates) == goes_on
        assert wires["b"].cancelled == (0 if goes_on else 1)
        told = [call.failure for call in (*kept.records[0].calls, *(c for late in kept.lates for c in late.calls))]
        assert told == [None, None if goes_on else "cancelled"]

    run_virtual(main())


def test_a_shadow_is_judged_with_the_stage_that_was_judged_last_though_another_is_equal() -> None:
    async def main() -> None:
        stage = Stage(members=("a", "b"), judge="picky", accept_score=0.9)
        plan = Plan(router="r", stages=(stage, stage), shadow=("c",))
        pipeline, kept = a_pipeline(trio(a="x", b="x!", c="x!!"), Planned(made=plan))
        answer = await pipeline.answer(a_request())
        await settle(pipeline)
        (late,) = kept.lates
        assert late.ruling is not None
        assert (late.ruling.stage, late.ruling.overturned) == (1, True)
        assert set(late.ruling.panel) == {*late.authors, *answer.rulings[1].panel}

    run_virtual(main())


def test_shadow_members_are_asked_after_the_answer_and_judged_with_the_panel() -> None:
    async def main() -> None:
        stage = Stage(members=("a",), judge="picky")
        plan = Plan(router="r", stages=(stage,), shadow=("b",), propensities={"a": 1.0, "b": 0.1})
        pipeline, kept = a_pipeline(trio(a="x", b="x!"), Planned(made=plan))
        assert (await pipeline.answer(a_request())).member == "a"
        await settle(pipeline)
        (late,) = kept.lates
        assert [(call.member, call.purpose) for call in late.calls] == [("b", "shadow")]
        assert late.ruling is not None
        assert (late.ruling.complete, late.ruling.overturned) == (True, True)

    run_virtual(main())


def test_a_shadow_is_not_asked_while_too_many_requests_have_work_behind_their_answer() -> None:
    async def main() -> None:
        fleet, wires = a_fleet(a=a_member("a", "x"), b=a_member("b", "x!", delay_s=5))
        plan = Plan(router="r", stages=(Stage(members=("a",), judge="picky"),), shadow=("b",))
        pipeline, kept = a_pipeline(fleet, Planned(made=plan), stragglers=Stragglers(most=2))
        for _ in range(4):
            assert (await pipeline.answer(a_request())).member == "a"
        await settle(pipeline)
        assert (len(wires["b"].prompts), len(kept.lates)) == (2, 2)
        await pipeline.answer(a_request())
        await settle(pipeline)
        assert len(wires["b"].prompts) == 3

    run_virtual(main())


@pytest.mark.parametrize(("faults", "kept_after"), [(0, 8), (3, 11), (99, None)])
def test_what_came_is_recorded_once_the_log_takes_it(faults: int, kept_after: int | None) -> None:
    async def main() -> None:
        fleet, _ = a_fleet(a=a_member("a", "x"), b=a_member("b", "x!", delay_s=8))
        pipeline, kept = a_pipeline(fleet, panel("a", "b", quorum=1, straggler_s=30))
        kept.late_faults += [StoreError("another process holds the write lock")] * faults
        await pipeline.answer(a_request())
        begin = asyncio.get_running_loop().time()
        await settle(pipeline)
        assert [call.member for late in kept.lates for call in late.calls] == (["b"] if kept_after else [])
        assert asyncio.get_running_loop().time() - begin == pytest.approx(kept_after or 8 + PATIENCE_S, abs=1)

    run_virtual(main())


def test_what_waits_for_the_log_is_tried_once_more_at_a_shutdown() -> None:
    async def main() -> None:
        fleet, _ = a_fleet(a=a_member("a", "x"), b=a_member("b", "x!", delay_s=8))
        pipeline, kept = a_pipeline(fleet, panel("a", "b", quorum=1, straggler_s=30))
        kept.late_faults.append(StoreError("another process holds the write lock"))
        await pipeline.answer(a_request())
        await pipeline.stragglers.close(8.5)
        assert [call.member for late in kept.lates for call in late.calls] == ["b"]

    run_virtual(main())


def test_rows_that_the_log_refuses_are_not_tried_again() -> None:
    async def main() -> None:
        fleet, _ = a_fleet(a=a_member("a", "x"), b=a_member("b", "x!", delay_s=8))
        pipeline, kept = a_pipeline(fleet, panel("a", "b", quorum=1, straggler_s=30))
        kept.late_faults.append(Refused("the row was refused"))
        await pipeline.answer(a_request())
        await settle(pipeline)
        assert (kept.lates, kept.late_faults) == ([], [])

    run_virtual(main())
