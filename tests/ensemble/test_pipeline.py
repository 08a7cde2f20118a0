"""The rules of the one path of a request, on a virtual clock; the same over HTTP and SQLite is in tests/stories."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ensemble.errors import DeadlineExceeded, NoCandidate, StoreUnavailable, UnknownModel
from ensemble.events import Done, Event, Finished, Judged, Started
from ensemble.router import Context, MemberName
from ensemble.types import Answer, Plan, Request, Stage
from judges.calibration import Calibration, Fitted
from judges.types import Case, Message, Model, OpaquePart, Prompt, TextPart, Verdict
from tests.ensemble.doubles import a_fleet, a_member, a_request, failed, said
from tests.ensemble.engine import Picky, Planned, a_pipeline, panel, settle, trio
from tests.virtual import run_virtual


def test_the_best_candidate_is_served_and_everything_is_recorded_before() -> None:
    async def main() -> None:
        pipeline, kept = a_pipeline(trio(a="x", b="x!!", c="x!"), panel("a", "b", "c"))
        events: list[Event] = []
        answer = await pipeline.answer(a_request(), events.append)
        assert (answer.member, answer.text, answer.fallback) == ("b", "x!!", None)
        (record,) = kept.records
        assert record.status == "answered"
        assert record.chosen == answer.chosen.id
        assert sorted(record.authors.values()) == ["a", "b", "c"]
        assert len(record.calls) == 3
        (ruling,) = record.rulings
        assert (ruling.phase, ruling.complete, ruling.usable, ruling.overturned) == ("served", True, True, False)
        kinds = [type(event) for event in events]
        assert kinds == [Started] * 3 + [Done] * 3 + [Judged, Finished]

    run_virtual(main())


def test_a_calibrated_judge_records_how_sure_it_is() -> None:
    async def main() -> None:
        judge = Picky()
        book = Calibration(judges={judge.digest: Fitted(n=9, right=7, knots=((0.5, 0.5), (1.0, 0.9)))})
        judge.calibrate(book)
        pipeline, kept = a_pipeline(trio(a="x", b="x!!!!!", c="x"), panel("a", "b", "c"), judge)
        await pipeline.answer(a_request())
        verdict = kept.records[0].rulings[0].verdict
        assert verdict.confidence == pytest.approx(0.7), "a margin of 0.5 is a signal of 0.75"
        assert verdict.weights == book.hash

    run_virtual(main())


def test_candidates_reach_the_judge_without_names_and_in_an_order_that_tells_nothing() -> None:
    orders, seen = set(), []

    class Nosy(Picky):
        use = "nosy"

        async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
            seen.append(case)
            return await super().judge(case, models)

    async def main() -> None:
        replies = {name: said(name, model=f"{name}-secret", system_fingerprint="fp") for name in "abc"}
        pipeline, _ = a_pipeline(trio(**replies), panel("a", "b", "c"), Nosy())
        for _ in range(150):
            await pipeline.answer(a_request())
            orders.add("".join(c.completion.text for c in seen[-1].candidates))
        assert all(c.completion.model is None and c.completion.usage.nano_usd is None for c in seen[0].candidates)
        assert len(orders) == 6

    run_virtual(main())


@pytest.mark.parametrize(
    ("poor", "why"),
    [
        (said("I will not!!!!", finish_reason="refusal"), "refused"),
        (said("cut off!!!!", finish_reason="length"), "truncated"),
        (said(""), "empty"),
    ],
)
def test_poor_candidates_lose_to_complete_ones_whatever_the_judge_likes(poor: Any, why: str) -> None:
    async def main() -> None:
        pipeline, kept = a_pipeline(trio(a=poor, b="good", c="fine!"), panel("a", "b", "c"))
        assert (await pipeline.answer(a_request())).text == "fine!"
        (reason,) = kept.records[0].rulings[0].set_aside.values()
        assert why in reason

    run_virtual(main())


@pytest.mark.parametrize("poor", [said("I will not", finish_reason="refusal"), said("cut", finish_reason="length")])
def test_a_poor_candidate_is_served_when_nothing_better_exists(poor: Any) -> None:
    async def main() -> None:
        pipeline, kept = a_pipeline(trio(a=poor, b=failed("rejected")), panel("a", "b"))
        answer = await pipeline.answer(a_request())
        assert (answer.member, answer.completion.finish_reason) == ("a", poor.finish_reason)
        assert not kept.records[0].rulings[0].complete

    run_virtual(main())


@pytest.mark.parametrize(
    "judge", [Picky(fail=True), Picky(crash=True), Picky(slow_s=500), Picky(asks="dead")], ids=lambda j: repr(j)
)
def test_a_judge_that_fails_never_makes_a_winner(judge: Picky) -> None:
    async def main() -> None:
        fleet = trio(a="x!!!", b="x", dead=failed("unreachable", sent=False))
        pipeline, kept = a_pipeline(fleet, panel("a", "b", fallback=["b", "a"]), judge)
        answer = await pipeline.answer(a_request())
        assert (answer.member, answer.fallback) == ("b", "member_order")
        (ruling,) = kept.records[0].rulings
        assert ruling.verdict.outcome == "failed"
        assert not ruling.usable

    run_virtual(main())


def test_without_a_judge_the_first_good_member_in_order_is_served() -> None:
    async def main() -> None:
        fleet = trio(a=said("cut", finish_reason="length"), b="good", c="good!")
        pipeline, kept = a_pipeline(fleet, panel("a", "b", "c", judge=None))
        assert (await pipeline.answer(a_request())).member == "b"
        assert kept.records[0].rulings == ()

    run_virtual(main())


def test_nobody_answers_with_every_candidates_own_error() -> None:
    async def main() -> None:
        pipeline, kept = a_pipeline(trio(a=failed("rejected"), b=failed("unauthorized")), panel("a", "b"))
        with pytest.raises(NoCandidate, match=r"a: rejected .*; b: unauthorized") as raised:
            await pipeline.answer(a_request())
        assert [call.failure for call in raised.value.calls] == ["rejected", "unauthorized"]
        (record,) = kept.records
        assert (record.status, record.error, len(record.calls)) == ("failed", "no_candidate", 2)

    run_virtual(main())


def test_a_deadline_before_the_first_candidate_is_its_own_error() -> None:
    async def main() -> None:
        fleet, wires = a_fleet(a=a_member("a", delay_s=90))
        pipeline, kept = a_pipeline(fleet, panel("a", straggler_s=30))
        with pytest.raises(DeadlineExceeded):
            await pipeline.answer(a_request(seconds=10))
        assert [call.failure for call in kept.records[0].calls] == ["cancelled"]
        assert wires["a"].cancelled == 1

    run_virtual(main())


def test_a_cascade_stops_at_the_first_stage_that_is_good_enough() -> None:
    async def main() -> None:
        def plan(least: float) -> Planned:
            cheap = Stage(members=("a",), judge="picky", accept_score=least)
            return Planned(made=Plan(router="r", stages=(cheap, Stage(members=("b",), judge="picky"))))

        fleet = trio(a="x!!!", b="x!!!!!")
        served = []
        for least in (0.3, 0.4):
            pipeline, kept = a_pipeline(fleet, plan(least))
            served.append(((await pipeline.answer(a_request())).member, len(kept.records[0].rulings)))
        assert served == [("a", 1), ("b", 2)]

    run_virtual(main())


def test_a_cascade_whose_last_stage_fails_serves_the_best_it_has() -> None:
    async def main() -> None:
        stages = (Stage(members=("a",), judge="picky", accept_score=0.9), Stage(members=("b",), judge="picky"))
        pipeline, _ = a_pipeline(trio(a="x!", b=failed("rejected")), Planned(made=Plan(router="r", stages=stages)))
        assert (await pipeline.answer(a_request())).member == "a"

    run_virtual(main())


def test_a_router_that_fails_falls_back_to_its_members_in_order() -> None:
    async def main() -> None:
        router = Planned(fallback=(MemberName("a"), MemberName("b")))
        pipeline, kept = a_pipeline(trio(a=failed("rejected"), b="x"), router)
        assert (await pipeline.answer(a_request())).member == "b"
        assert kept.records[0].plan is not None
        assert "cannot read the artifact" in kept.records[0].plan.reason

    run_virtual(main())


def test_a_caller_who_cancels_leaves_a_record_of_what_was_paid() -> None:
    async def main() -> None:
        fleet, wires = a_fleet(a=a_member("a", "x"), b=a_member("b", delay_s=50))
        pipeline, kept = a_pipeline(fleet, panel("a", "b"))
        work = asyncio.get_running_loop().create_task(pipeline.answer(a_request()))
        await asyncio.sleep(1)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await settle(pipeline)
        (record,) = kept.records
        assert record.status == "cancelled"
        assert [(c.member, c.failure, c.usage.nano_usd) for c in record.calls] == [
            ("a", None, 20_000),
            ("b", "cancelled", None),
        ]
        assert wires["b"].cancelled == 1

    run_virtual(main())


def test_what_cannot_be_logged_is_not_answered() -> None:
    async def main() -> None:
        fleet, wires = a_fleet(a=a_member("a", "x"), b=a_member("b", delay_s=50))
        pipeline, kept = a_pipeline(fleet, panel("a", "b", quorum=1, straggler_s=90))
        kept.broken = True
        with pytest.raises(StoreUnavailable, match="disk is full"):
            await pipeline.answer(a_request())
        assert wires["b"].cancelled == 1

    run_virtual(main())


def test_an_unknown_model_gets_the_nearest_names() -> None:
    async def main() -> None:
        pipeline, _ = a_pipeline(trio(a="x"), panel("a"))
        with pytest.raises(UnknownModel, match=r"'panle'.*panel"):
            await pipeline.answer(a_request(model="panle"))

    run_virtual(main())


def test_an_agreement_that_cannot_change_ends_the_wait() -> None:
    class Settled(Picky):
        use = "settled"

        def settled(self, case: Case, outstanding: int) -> bool:
            texts: Sequence[str] = [c.completion.text for c in case.candidates]
            return max(texts.count(t) for t in texts) > outstanding

    async def main() -> None:
        fleet, _ = a_fleet(a=a_member("a", "4"), b=a_member("b", "4", delay_s=1), c=a_member("c", "5", delay_s=40))
        pipeline, _ = a_pipeline(fleet, panel("a", "b", "c"), Settled())
        begin = asyncio.get_running_loop().time()
        answer: Answer = await pipeline.answer(a_request())
        assert asyncio.get_running_loop().time() - begin == 1
        assert answer.text == "4"

    run_virtual(main())


@pytest.mark.parametrize(("least", "usable"), [(2, True), (3, False)])
def test_a_panel_below_its_least_size_makes_no_label(least: int, usable: bool) -> None:
    async def main() -> None:
        pipeline, kept = a_pipeline(trio(a="x", b="x!", c=failed("rejected")), panel("a", "b", "c", min_panel=least))
        await pipeline.answer(a_request())
        assert kept.records[0].rulings[0].usable is usable

    run_virtual(main())


def test_a_judge_sees_no_provider_state() -> None:
    seen: list[Case] = []

    class Nosy(Picky):
        use = "nosy2"

        async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
            seen.append(case)
            return await super().judge(case, models)

    async def main() -> None:
        parts = (TextPart(text="hm"), OpaquePart(origin="a", data={"thinking": "by a"}))
        prompt = Prompt(messages=(Message(role="assistant", content=parts), Message(role="user", content="and?")))
        pipeline, _ = a_pipeline(trio(a="x", b="y"), panel("a", "b"), Nosy())
        await pipeline.answer(a_request(prompt=prompt))
        assert seen[0].messages[0].content == (parts[0],)

    run_virtual(main())


def test_a_bug_in_a_router_that_is_escalated_to_does_not_hide_what_was_paid() -> None:
    class Exploding(Planned):
        use = "exploding"

        async def plan(self, request: Request, context: Context) -> Plan:
            raise ZeroDivisionError

    async def main() -> None:
        trust = {"min_score": 0.95, "on_low": "escalate", "escalate_to": "stronger"}
        fleet, wires = a_fleet(a=a_member("a", "x"), b=a_member("b", delay_s=50))
        pipeline, kept = a_pipeline(fleet, panel("a", "b", quorum=1, straggler_s=90, trust=trust))
        pipeline.routers["stronger"] = Exploding()  # type: ignore[index]  # a dict, in tests
        with pytest.raises(ZeroDivisionError):
            await pipeline.answer(a_request())
        await settle(pipeline)
        (record,) = kept.records
        assert (record.status, record.error) == ("failed", "internal_error")
        assert [(c.member, c.failure) for c in record.calls] == [("a", None), ("b", "cancelled")]
        assert wires["b"].cancelled == 1

    run_virtual(main())


def test_a_judge_that_cannot_tell_whether_it_has_seen_enough_sees_all() -> None:
    class Confused(Picky):
        use = "confused"

        def settled(self, case: Case, outstanding: int) -> bool:
            raise ZeroDivisionError

    async def main() -> None:
        fleet, _ = a_fleet(**{name: a_member(name, "x" + "!" * n, delay_s=n) for n, name in enumerate("abc", 1)})
        pipeline, _ = a_pipeline(fleet, panel("a", "b", "c"), Confused())
        assert (await pipeline.answer(a_request())).member == "c"

    run_virtual(main())
