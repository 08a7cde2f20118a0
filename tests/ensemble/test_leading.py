"""A leader speaks before the verdict: what is committed when, who takes over, and what the panel behind it does."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from ensemble.errors import NoCandidate, StoreUnavailable, StreamBroken
from ensemble.events import Began, Event, Grew, LateDone
from ensemble.pipeline import Pipeline
from ensemble.provider import Delta
from ensemble.router import Router
from ensemble.types import Answer, Plan, Stage
from judges.types import Completion, Prompt
from tests.ensemble.doubles import Scripted, a_fleet, a_member, a_request, failed, said
from tests.ensemble.engine import Kept, Picky, Planned, a_pipeline, panel, settle
from tests.virtual import run_virtual


@dataclass
class Speaking(Scripted):
    """A connection that says one letter after the other, ``pace_s`` apart, and breaks off after ``breaks_at``."""

    pace_s: float = 1.0
    breaks_at: int | None = None
    thinks: bool = False

    async def stream(self, model: str, prompt: Prompt) -> AsyncIterator[Delta | Completion]:
        whole = await self.complete(model, prompt)
        if self.thinks:
            yield Delta(kind="reasoning", text="hm")
        for at, letter in enumerate(whole.text):
            if at == self.breaks_at:
                raise failed("cut_stream", retryable=True)
            await asyncio.sleep(self.pace_s)
            yield Delta(kind="text", text=letter)
        yield whole


def speaking(**texts: Any) -> dict[str, Any]:
    """Members that speak: a text, a failure, or a whole ``Speaking``."""
    fleet = dict(a_fleet(**{name: a_member(name, max_attempts=1) for name in texts})[0])
    for name, text in texts.items():
        fleet[name].connection = text if isinstance(text, Speaking) else Speaking((text,))
    return fleet


def a_leading(fleet: Any, judge: Picky | None = None, **options: Any) -> tuple[Pipeline, Kept]:
    return a_pipeline(fleet, panel(*fleet, **{"streaming": "leader", **options}), judge)


async def heard(pipeline: Pipeline, **changes: Any) -> tuple[Answer, list[Event]]:
    events: list[Event] = []
    answer = await pipeline.answer(a_request(stream=True, **changes), events.append)
    return answer, events


def text_of(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Grew))


def test_the_leader_speaks_at_once_and_the_full_panel_is_judged_behind_it() -> None:
    async def main() -> None:
        pipeline, kept = a_leading(speaking(a="abc", b="!" * 9), leader="a")
        answer, events = await heard(pipeline)
        assert (answer.member, answer.text, text_of(events)) == ("a", "abc", "abc")
        assert (answer.unjudged, answer.rulings) == (True, ())
        assert [record.status for record in kept.records] == ["streaming", "answered"]
        assert [record.begun for record in kept.records] == [False, True]
        await settle(pipeline)
        (late,) = kept.lates
        assert late.ruling is not None
        assert (late.ruling.phase, late.ruling.overturned, len(late.ruling.panel)) == ("full", True, 2)
        assert sorted(call.member for call in (*kept.records[1].calls, *late.calls)) == ["a", "b"]
        assert [event.ruling for event in events if isinstance(event, LateDone)] == [late.ruling]

    run_virtual(main())


def test_nothing_goes_out_before_the_request_is_committed() -> None:
    async def main() -> None:
        pipeline, kept = a_leading(speaking(a="abc", b="b"))
        at: list[tuple[str, int]] = []
        await pipeline.answer(
            a_request(stream=True), lambda event: at.append((type(event).__name__, len(kept.records)))
        )
        assert [records for name, records in at if name in ("Began", "Grew")] == [1] * 4
        assert [records for name, records in at if name == "Finished"] == [2]
        kept.broken = True
        events: list[Event] = []
        with pytest.raises(StoreUnavailable):
            await pipeline.answer(a_request(stream=True), events.append)
        assert not [event for event in events if isinstance(event, Began | Grew)]

    run_virtual(main())


@pytest.mark.parametrize(
    "first", [failed("rejected"), said(""), Speaking(("abc",), delay_s=100), Speaking(("abc",), breaks_at=0)]
)
def test_where_the_leader_says_nothing_the_next_one_speaks(first: Any) -> None:
    async def main() -> None:
        pipeline, _ = a_leading(speaking(a="late", b=first, c="cd", d="d"), leader="b", fallback=("c",))
        answer, events = await heard(pipeline)
        assert (answer.member, text_of(events) or answer.text) == ("c", "cd")

    run_virtual(main())


def test_an_answer_that_breaks_off_is_an_error_and_the_record_says_so() -> None:
    async def main() -> None:
        pipeline, kept = a_leading(speaking(a=Speaking(("abcdef",), breaks_at=2), b=Speaking(("b",), delay_s=50)))
        events: list[Event] = []
        with pytest.raises(StreamBroken, match="a broke off: cut_stream"):
            await pipeline.answer(a_request(stream=True), events.append)
        assert text_of(events) == "ab"
        assert [(record.status, record.error) for record in kept.records] == [
            ("streaming", None),
            ("failed", "stream_broken"),
        ]
        assert {call.member: call.failure for call in kept.records[1].calls} == {"a": "cut_stream", "b": "cancelled"}
        await settle(pipeline)

    run_virtual(main())


def test_a_broken_stream_is_not_begun_again() -> None:
    async def main() -> None:
        fleet = speaking(a=Speaking(("abcdef",), breaks_at=2))
        fleet["a"].settings = fleet["a"].settings.model_copy(update={"max_attempts": 3})
        pipeline, _ = a_leading(fleet)
        events: list[Event] = []
        with pytest.raises(StreamBroken):
            await pipeline.answer(a_request(stream=True), events.append)
        assert text_of(events) == "ab"
        assert len(fleet["a"].connection.prompts) == 1

    run_virtual(main())


def test_the_last_event_waits_for_the_verdict_as_long_as_grace_s_allows() -> None:
    async def main() -> None:
        for grace, unjudged in ((0, True), (5, False)):
            pipeline, kept = a_leading(speaking(a="abc", b="!"), Picky(slow_s=2), grace_s=grace)
            answer, _ = await heard(pipeline)
            assert answer.unjudged is unjudged
            assert [ruling.overturned for ruling in answer.rulings] == ([] if unjudged else [True])
            assert (answer.member, kept.records[-1].chosen) == ("a", answer.chosen.id)
            await settle(pipeline)
            assert len(kept.lates) == unjudged

    run_virtual(main())


def test_nobody_leads_where_nobody_may() -> None:
    async def main() -> None:
        stages = (Stage(members=("a",), judge="picky", accept_score=0.5), Stage(members=("b",), judge="picky"))
        cascade = Planned(made=Plan(router="r", stages=stages), streaming="leader")
        shadowed = Planned(made=Plan(router="r", stages=stages[1:], shadow=("a",)), streaming="leader")
        plain = panel("a", "b")
        for router, stream in ((cascade, True), (shadowed, True), (plain, True), (_leading(), False)):
            pipeline, kept = a_pipeline(speaking(a="a", b="b!"), router)
            events: list[Event] = []
            answer = await pipeline.answer(a_request(stream=stream), events.append)
            assert answer.member == "b"
            assert [record.status for record in kept.records] == ["answered"]
            assert not [event for event in events if isinstance(event, Began)]
            await settle(pipeline)

    run_virtual(main())


def _leading() -> Router:
    return panel("a", "b", streaming="leader")


def test_without_any_answer_there_is_a_plain_error() -> None:
    async def main() -> None:
        pipeline, kept = a_leading(speaking(a=failed("rejected"), b=failed("overloaded")))
        with pytest.raises(NoCandidate):
            await heard(pipeline)
        assert [record.status for record in kept.records] == ["failed"]

    run_virtual(main())


def test_a_poor_answer_is_told_where_there_is_no_other() -> None:
    async def main() -> None:
        pipeline, _ = a_leading(speaking(a=failed("rejected"), b=said("", finish_reason="refusal")))
        answer, _ = await heard(pipeline)
        assert (answer.member, answer.completion.finish_reason) == ("b", "refusal")

    run_virtual(main())


def test_a_client_that_goes_away_leaves_a_record_and_no_call() -> None:
    async def main() -> None:
        fleet = speaking(a="abcdefgh", b=Speaking(("b",), delay_s=50))
        pipeline, kept = a_leading(fleet)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(heard(pipeline))
            await asyncio.sleep(3.5)
            task.cancel()
        await settle(pipeline)
        assert [record.status for record in kept.records] == ["streaming", "cancelled"]
        assert kept.records[1].begun
        assert {call.failure for call in kept.records[1].calls} == {"cancelled"}

    run_virtual(main())


def test_thoughts_before_the_text_are_told_of() -> None:
    async def main() -> None:
        pipeline, _ = a_leading(speaking(a=Speaking(("abc",), thinks=True), b="b"))
        _, events = await heard(pipeline)
        assert [event.thought for event in events if isinstance(event, Began)] == [True]

    run_virtual(main())
