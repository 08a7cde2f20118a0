import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ensemble.fanout import FanOut, Seat, Stragglers, cancel, fan_out
from ensemble.types import Call, Stage
from judges.types import CandidateId, Completion, Message, Prompt, ResponseFormat, ToolCall
from tests.ensemble.doubles import Scripted, a_fleet, a_member, a_request, failed, ledger, said
from tests.virtual import run_virtual

TOOL = {"type": "function", "function": {"name": "f"}}


def seats_of(stage: Stage) -> list[Seat]:
    return [Seat(member=m, sample=n, candidate=CandidateId(f"{m}-{n}")) for m, n in stage.seats()]


def three(**delays: float) -> Any:
    return a_fleet(**{name: a_member(name, delay_s=delay) for name, delay in delays.items()})


async def call_all(fleet: Any, stage: Stage, *, seconds: float = 60.0, **more: Any) -> tuple[FanOut, float, list[Call]]:
    seen = ledger()
    loop = asyncio.get_running_loop()
    begin = loop.time()
    fanned = await fan_out(a_request(seconds=seconds), stage, fleet, seats_of(stage), index=0, seen=seen.append, **more)
    return fanned, loop.time() - begin, seen


def members_of(fanned: FanOut) -> list[str]:
    return [call.member for call in fanned.done]


def test_all_members_are_called_at_once_and_stand_in_the_order_of_the_stage() -> None:
    async def main() -> None:
        fleet, _ = three(a=3, b=1, c=2)
        fanned, waited, seen = await call_all(fleet, Stage(members=("a", "b", "c")))
        assert members_of(fanned) == ["a", "b", "c"]
        assert [call.member for call in seen] == ["b", "c", "a"]
        assert waited == 3
        assert not fanned.late

    run_virtual(main())


def test_quorum_and_grace_end_the_wait() -> None:
    async def main() -> None:
        fleet, _ = three(a=1, b=2, c=2.5, d=9)
        stage = Stage(members=("a", "b", "c", "d"), quorum=2, grace_s=1, straggler_s=30)
        fanned, waited, _ = await call_all(fleet, stage)
        assert members_of(fanned) == ["a", "b", "c"]
        assert [seat.member for seat in fanned.late.values()] == ["d"]
        assert waited == 3
        assert [(await task).member for task in fanned.late] == ["d"]

    run_virtual(main())


@pytest.mark.parametrize(
    "poor",
    [failed("rejected"), said("I cannot", finish_reason="refusal"), said("cut", finish_reason="length"), said("  ")],
)
def test_only_good_candidates_count_towards_the_quorum(poor: Any) -> None:
    async def main() -> None:
        fleet, _ = a_fleet(a=a_member("a", poor), b=a_member("b", delay_s=5), c=a_member("c", delay_s=50))
        fanned, waited, _ = await call_all(fleet, Stage(members=("a", "b", "c"), quorum=1))
        assert members_of(fanned) == ["a", "b"]
        assert waited == 5
        await cancel(set(fanned.late))

    run_virtual(main())


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({"response_format": ResponseFormat(type="json_object")}, said('{"age": 3}')),
        (
            {"tools": (TOOL,), "tool_choice": "required"},
            said("", tool_calls=(ToolCall(id="1", name="f", arguments=""),)),
        ),
    ],
)
async def test_only_candidates_of_the_demanded_form_count_towards_the_quorum(
    wanted: dict[str, Any], fits: Completion
) -> None:
    """In real time, since a form is checked in a thread."""
    fleet, _ = a_fleet(a=a_member("a"), b=a_member("b", fits, delay_s=0.05), c=a_member("c", delay_s=50))
    prompt = Prompt(messages=(Message(role="user", content="How old is she?"),), **wanted)
    stage = Stage(members=("a", "b", "c"), quorum=1)
    fanned = await fan_out(a_request(prompt=prompt), stage, fleet, seats_of(stage), index=0, seen=ledger().append)
    await cancel(set(fanned.late))
    assert members_of(fanned) == ["a", "b"]


def test_time_for_the_judge_is_kept_back_once_there_is_something_to_judge() -> None:
    async def main() -> None:
        fleet, _ = three(a=1, b=99)
        fanned, waited, _ = await call_all(fleet, Stage(members=("a", "b"), judge="j", judge_reserve_s=4), seconds=10)
        assert waited == 6
        assert members_of(fanned) == ["a"]
        await cancel(set(fanned.late))

    run_virtual(main())


def test_without_a_good_candidate_the_wait_lasts_to_the_deadline() -> None:
    async def main() -> None:
        fleet, _ = three(a=9.5, b=99)
        fanned, waited, _ = await call_all(fleet, Stage(members=("a", "b"), judge="j", judge_reserve_s=4), seconds=10)
        assert waited == 9.5
        assert members_of(fanned) == ["a"]
        await cancel(set(fanned.late))

    run_virtual(main())


def test_enough_ends_the_wait_and_is_told_what_is_outstanding() -> None:
    async def main() -> None:
        fleet, _ = three(a=1, b=2, c=3)
        told: list[tuple[int, int]] = []

        def enough(calls: Sequence[Call], outstanding: int) -> bool:
            told.append((len(calls), outstanding))
            return len(calls) == 2

        fanned, waited, _ = await call_all(fleet, Stage(members=("a", "b", "c"), straggler_s=9), enough=enough)
        assert told == [(1, 2), (2, 1)]
        assert waited == 2
        await cancel(set(fanned.late))

    run_virtual(main())


def test_a_timeout_of_one_call_leaves_the_others_alone() -> None:
    async def main() -> None:
        fleet, _ = three(a=1, b=99)
        fanned, waited, _ = await call_all(fleet, Stage(members=("a", "b"), call_timeout_s=5))
        assert waited == 5
        assert [call.failure for call in fanned.done] == [None, "timeout"]
        assert fanned.done[1].usage.nano_usd is None

    run_virtual(main())


def test_cancelling_cancels_every_call_and_leaves_a_line_of_each() -> None:
    async def main() -> None:
        fleet, wires = three(a=50, b=99)
        seen = ledger()
        stage = Stage(members=("a", "b"))
        work = asyncio.get_running_loop().create_task(
            fan_out(a_request(), stage, fleet, seats_of(stage), index=0, seen=seen.append)
        )
        await asyncio.sleep(1)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert sorted((call.member, call.failure) for call in seen) == [("a", "cancelled"), ("b", "cancelled")]
        assert [wire.cancelled for wire in wires.values()] == [1, 1]

    run_virtual(main())


def test_samples_of_one_member_are_asked_under_different_seeds() -> None:
    async def main() -> None:
        fleet, wires = three(a=0)
        stage = Stage(members=("a",), samples={"a": 3})
        seen = ledger()
        prompt = Prompt(messages=(), seed=7)
        await fan_out(a_request(prompt=prompt), stage, fleet, seats_of(stage), index=2, seen=seen.append)
        assert sorted(p.seed or 0 for p in wires["a"].prompts) == [7, 8, 9]
        assert sorted((call.sample, call.stage) for call in seen) == [(0, 2), (1, 2), (2, 2)]

    run_virtual(main())


def test_stragglers_are_bounded_and_closed() -> None:
    async def main() -> None:
        stragglers, ended = Stragglers(most=1), list[str]()

        async def work() -> None:
            try:
                await asyncio.sleep(100)
            finally:
                ended.append("ended")

        assert stragglers.room
        stragglers.own(work())
        assert not stragglers.room
        await asyncio.sleep(1)
        await stragglers.close(patience_s=5)
        assert ended == ["ended"]
        assert stragglers.room
        await stragglers.idle()

    run_virtual(main())


class Silent(Scripted):
    """A connection whose provider gives no logprobs."""

    def dropped(self, prompt: Prompt) -> tuple[str, ...]:
        return () if prompt.top_logprobs is None else ("logprobs",)


@pytest.mark.parametrize(("stated", "sent"), [(None, [0, None, None]), (3, [3, 3])])
def test_logprobs_are_asked_of_members_that_give_them_and_as_many_as_the_client_wants(
    stated: int | None, sent: list[int | None]
) -> None:
    async def main() -> None:
        able, unable = a_member("a"), a_member("b", capabilities=["tools"])
        silent = a_member("c")[0], Silent(["answer of c"])
        silent[0].connection = silent[1]
        fleet, wires = a_fleet(a=able, b=unable, c=silent)
        stage = Stage(members=("a", "b", "c"), logprobs=True)
        prompt = Prompt(messages=(Message(role="user", content="Why?"),), top_logprobs=stated)
        await fan_out(a_request(prompt=prompt), stage, fleet, seats_of(stage), index=0, seen=ledger().append)
        assert [prompt.top_logprobs for name in "abc" for prompt in wires[name].prompts] == sent

    run_virtual(main())


def test_a_cancellation_that_a_library_loses_is_asked_for_again() -> None:
    async def deaf() -> None:
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            await asyncio.sleep(20)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(deaf())
            await asyncio.sleep(0)
            begin = loop.time()
            await cancel({task})
            assert loop.time() - begin == 1
        assert task.cancelled()

    run_virtual(main())
