import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.choices import check_room, further, ranked, widened
from ensemble.errors import InvalidRequest
from ensemble.fanout import FanOut, Seat
from ensemble.types import Call, Plan, Stage
from judges.testing import a_verdict
from judges.types import CandidateId, Preference
from tests.ensemble.answers import a_call, a_completion


async def answering() -> Call:
    return a_call("b", a_completion())


def a_plan(*stages: Stage) -> Plan:
    return Plan(router="r", stages=stages, reason="because")


def ids(*names: str) -> tuple[CandidateId, ...]:
    return tuple(map(CandidateId, names))


def test_members_give_more_samples_in_turn_the_most_trusted_first() -> None:
    plan = widened(a_plan(Stage(members=("a", "b", "c"), quorum=2), Stage(members=("d",))), 5)
    assert [stage.samples for stage in plan.stages] == [{"a": 2, "b": 2}, {"d": 5}]
    assert [stage.quorum for stage in plan.stages] == [5, None]
    assert "5 answers" in plan.reason


def test_a_plan_that_is_wide_enough_keeps_its_seats() -> None:
    plan = a_plan(Stage(members=("a", "b"), samples={"b": 3}))
    assert widened(plan, 1) is plan
    assert widened(plan, 3).stages == plan.stages


@given(
    st.lists(st.sampled_from("abcd"), min_size=1, unique=True),
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 4)),
    st.integers(1, 20),
)
def test_there_are_seats_for_all_and_no_more_than_needed(members: list[str], samples: dict[str, int], n: int) -> None:
    stage = Stage(members=tuple(members), samples={name: k for name, k in samples.items() if name in members})
    before, after = (len(list(plan.stages[0].seats())) for plan in (a_plan(stage), widened(a_plan(stage), n)))
    assert after == max(before, n)


def test_a_narrowed_plan_without_room_is_refused_by_name() -> None:
    check_room(a_plan(Stage(members=("a", "b"))), 2)
    with pytest.raises(InvalidRequest, match="room for 1 of 2") as refused:
        check_room(a_plan(Stage(members=("a", "b")), Stage(members=("a",))), 2)
    assert refused.value.param == "n"


async def test_what_is_missing_is_asked_of_those_that_answered() -> None:
    stage = Stage(members=("a", "b", "c"), samples={"a": 2})
    good, bad = [a_call(name, a_completion()) for name in "ac"], a_call("b", None, failure="timeout")
    assert further(stage, FanOut((*good, bad), {}), 5) == (("a", 2), ("c", 1), ("a", 3))
    assert further(stage, FanOut((*good, bad), {}), 2) == ()
    assert further(stage, FanOut((bad,), {}), 2) == ()
    async with asyncio.TaskGroup() as group:
        slow = group.create_task(answering())
        at_work = {slow: Seat(member="b", sample=0, candidate=CandidateId("c-b"))}
        assert further(stage, FanOut(tuple(good), at_work), 5) == (), "it is time that is short"


def test_winners_come_before_the_rest_by_score_then_by_comparisons_then_by_trust() -> None:
    scored = a_verdict("b", scores={"a": 0.1, "b": 0.9, "c": 0.5})
    assert ranked(CandidateId("b"), ids("a", "b", "c"), {}, scored) == ("b", "c", "a")
    tied = a_verdict("b", "c", scores={"a": 0.95})
    assert ranked(CandidateId("c"), ids("a", "b", "c"), {}, tied) == ("c", "b", "a")
    assert ranked(CandidateId("a"), ids("a", "b", "c"), {}) == ("a", "b", "c")


def test_the_loser_of_a_final_comes_before_the_losers_of_the_round_before() -> None:
    def beats(one: str, other: str) -> Preference:
        return Preference(shown=(CandidateId(one), CandidateId(other)), outcome="first")

    knockout = replace(a_verdict("d"), preferences=(beats("c", "a"), beats("d", "b"), beats("d", "c")))
    assert ranked(CandidateId("d"), ids("a", "b", "c", "d"), {}, knockout) == ("d", "c", "a", "b")
    jury = replace(a_verdict("d"), ballots=(knockout,))
    assert ranked(CandidateId("d"), ids("a", "b", "c", "d"), {}, jury) == ("d", "c", "a", "b")


def test_who_was_set_aside_comes_last_the_most_complete_first() -> None:
    aside = {CandidateId("a"): "refused", CandidateId("b"): "malformed"}
    assert ranked(CandidateId("c"), ids("a", "b", "c", "d"), aside) == ("c", "d", "b", "a")
