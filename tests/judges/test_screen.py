from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.screen import screen, screened, state
from judges.testing import a_candidate, a_case
from judges.types import Candidate, CandidateId, Case, ResponseFormat, ToolCall

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


AGE: dict[str, Any] = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
TOOL = {"type": "function", "function": {"name": "set_age", "parameters": AGE}}


def calling(id: str, arguments: str, name: str = "set_age") -> Candidate:
    return a_candidate(
        "", id=id, finish_reason="tool_calls", tool_calls=(ToolCall(id="1", name=name, arguments=arguments),)
    )


def demanding(schema: dict[str, Any] | None, *candidates: Candidate) -> Case:
    form = ResponseFormat(type="json_object" if schema is None else "json_schema", schema=schema)
    return replace(a_case(*candidates), response_format=form, tools=(TOOL,))


async def test_what_does_not_fit_the_demanded_schema_loses_before_it_is_judged() -> None:
    case = demanding(
        AGE,
        a_candidate('{"age": 3}', id="fits"),
        a_candidate('{"age": "three", "and": "much else"}', id="type"),
        a_candidate("Three years.", id="prose"),
        a_candidate('{"age":', id="cut", finish_reason="length"),
        calling("calls", '{"age": 3}'),
    )
    looked = await screened(case)
    assert [one.id for one in looked.contenders.candidates] == ["fits", "calls"]
    assert looked.set_aside == {"type": "malformed", "prose": "malformed", "cut": "truncated"}
    assert looked == screen(case)


def test_any_json_object_will_do_where_no_schema_is_told() -> None:
    case = demanding(None, a_candidate("{}", id="object"), a_candidate("[]", id="array"))
    assert screen(case).set_aside == {"array": "malformed"}


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ('{"age": "x"}', "set_age"),
        ('{"age": 3', "set_age"),
        ("[3]", "set_age"),
        ("", "set_age"),
        ('{"age": 3}', "nothing"),
    ],
)
def test_a_call_that_cannot_be_carried_out_loses(arguments: str, name: str) -> None:
    case = replace(a_case(calling("good", '{"age": 3.0}'), calling("bad", arguments, name)), tools=(TOOL,))
    assert screen(case).set_aside == {"bad": "malformed"}


def test_a_call_without_arguments_is_one_of_an_empty_object() -> None:
    tool = {"type": "function", "function": {"name": "now"}}
    assert not screen(replace(a_case(calling("a", "", "now"), calling("b", "{}", "now")), tools=(tool,))).set_aside


@pytest.mark.parametrize(
    ("choice", "lost"),
    [
        ("required", {"words"}),
        ({"type": "function", "function": {"name": "set_age"}}, {"words", "other"}),
        ("auto", set()),
        ("none", set()),
        (None, set()),
    ],
)
async def test_words_lose_where_a_call_is_demanded(choice: Any, lost: set[str]) -> None:
    other = {"type": "function", "function": {"name": "other"}}
    called = (calling("good", '{"age": 3}'), calling("other", "{}", "other"))
    case = replace(a_case(a_candidate("I will.", id="words"), *called), tools=(TOOL, other), tool_choice=choice)
    assert set((await screened(case)).set_aside) == lost
    assert not screen(replace(case, candidates=case.candidates[:1])).set_aside


def test_where_none_fits_all_are_judged_and_a_cut_one_is_worse() -> None:
    case = demanding(AGE, a_candidate("a", id="a"), a_candidate("b", id="b"), a_candidate("c", id="c", partial=True))
    assert screen(case).set_aside == {"c": "truncated"}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/schema.json"},
        {"type": "nonsense"},
        {"properties": {f"p{n}": {"pattern": f"a{n}"} for n in range(50)}},
        {
            "$ref": "#/$defs/d0",
            "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)} | {"d40": False},
        },
    ],
    ids=["remote", "none", "patterns", "fanning out"],
)
def test_a_schema_that_cannot_be_used_in_time_sets_nobody_aside(schema: dict[str, Any]) -> None:
    assert not screen(demanding(schema, a_candidate("{}", id="a"), a_candidate("x", id="b"))).set_aside


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
