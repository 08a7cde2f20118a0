from hypothesis import given
from hypothesis import strategies as st

from judges.screen import screen, state
from judges.testing import a_candidate, a_case
from judges.types import CandidateId, ToolCall

CALL = ToolCall(id="1", name="f", arguments="{}")


def test_each_end_has_its_state() -> None:
    assert state(a_candidate("x")) == "complete"
    assert state(a_candidate("", tool_calls=(CALL,), finish_reason="tool_calls")) == "complete"
    assert state(a_candidate("x", finish_reason="length")) == "truncated"
    assert state(a_candidate("x", partial=True)) == "truncated"
    assert state(a_candidate("No.", finish_reason="refusal")) == "refused"
    assert state(a_candidate("", finish_reason="refusal")) == "refused"
    assert state(a_candidate("x", finish_reason="other")) == "other"
    assert state(a_candidate(" \n")) == "empty"
    assert state(a_candidate("", finish_reason="length")) == "empty"


def test_refusals_and_length_stops_lose_to_complete_candidates() -> None:
    case = a_case(
        a_candidate("cut", id="cut", finish_reason="length"),
        a_candidate("good", id="good"),
        a_candidate("No.", id="no", finish_reason="refusal"),
    )
    screened = screen(case)
    assert [one.id for one in screened.contenders.candidates] == ["good"]
    assert screened.contenders.comparable == {"good"}
    assert screened.set_aside == {"cut": "truncated", "no": "refused"}


def test_without_a_complete_one_the_nearest_is_kept() -> None:
    refused = a_candidate("No.", id="no", finish_reason="refusal")
    cut = a_candidate("half", id="cut", finish_reason="length")
    empty = a_candidate("", id="empty")
    odd = a_candidate("x", id="odd", finish_reason="other")
    for field, best in (((refused, cut, empty), "cut"), ((odd, refused, empty), "no"), ((empty, odd), "odd")):
        assert [one.id for one in screen(a_case(*field)).contenders.candidates] == [best]
    assert screen(a_case(empty)).contenders.candidates == (empty,)
    assert screen(a_case()).contenders.candidates == ()


@given(
    st.lists(
        st.tuples(st.sampled_from(["", "x", " "]), st.sampled_from(["stop", "length", "refusal", "other"])), max_size=6
    )
)
def test_every_candidate_is_a_contender_or_set_aside(ends: list[tuple[str, str]]) -> None:
    case = a_case(*(a_candidate(text, id=str(n), finish_reason=end) for n, (text, end) in enumerate(ends)))  # type: ignore[arg-type]
    screened = screen(case)
    kept = {one.id for one in screened.contenders.candidates}
    assert kept | set(screened.set_aside) == {CandidateId(str(n)) for n in range(len(ends))}
    assert not kept & set(screened.set_aside)
    assert bool(kept) == bool(ends)
