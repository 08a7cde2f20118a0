"""When a case need not be judged again."""

from dataclasses import replace
from typing import Any

import pytest

from ensemble.ruling import case_key
from judges.testing import a_case

TOOL: dict[str, Any] = {"type": "function", "function": {"name": "weather"}}


@pytest.mark.parametrize(
    ("choice", "same"),
    [
        ("auto", True),
        ("none", True),
        ("required", False),
        ({"type": "function", "function": {"name": "weather"}}, False),
    ],
)
def test_a_case_is_another_where_a_call_is_demanded(choice: Any, same: bool) -> None:
    """Since words lose there."""
    case = replace(a_case("It is cold.", "Cold."), tools=(TOOL,))
    assert (case_key(replace(case, tool_choice=choice)) == case_key(case)) is same


def test_a_case_is_the_same_in_whatever_order_its_candidates_are_shown() -> None:
    case = a_case("It is cold.", "Cold.")
    assert case_key(replace(case, candidates=case.candidates[::-1], seed=7)) == case_key(case)
    assert case_key(replace(case, candidates=case.candidates[:1])) != case_key(case)
