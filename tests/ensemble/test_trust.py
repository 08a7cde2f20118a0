"""What the table of a router may say of trust."""

from typing import Any

import pytest
from pydantic import ValidationError

from ensemble.trust import Trust


def told(**options: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        Trust.model_validate(options)
    return str(raised.value)


def test_a_warning_is_the_way_out_unless_another_is_named() -> None:
    assert Trust.model_validate({"min_panel": 2}).way(["min_panel"]) == "warn"
    assert Trust.model_validate({"min_panel": 2, "on_low": {"min_score": "refuse"}}).way(["min_panel"]) == "warn"


def test_of_several_ways_out_the_one_that_goes_furthest_holds() -> None:
    ways = {"min_panel": "escalate", "min_confidence": "review", "min_score": "refuse"}
    trust = Trust.model_validate(
        {"min_panel": 2, "min_confidence": 0.5, "min_score": 0.5, "on_low": ways, "escalate_to": "strong"}
    )
    assert [trust.way([name]) for name in ("min_panel", "min_confidence", "min_score")] == [*ways.values()]
    assert trust.way(["min_confidence", "min_panel"]) == "escalate"
    assert trust.way(["min_confidence", "min_panel", "min_score"]) == "refuse"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "nothing is demanded of an answer"),
        ({"min_score": 1.1}, "less than or equal to 1"),
        ({"min_panel": 0}, "greater than 0"),
        ({"min_panel": 2, "on_low": "shrug"}, "'warn', 'review', 'escalate' or 'refuse'"),
        ({"min_panel": 2, "on_low": {"min_pannel": "warn"}}, "'min_panel', 'min_confidence' or 'min_score'"),
        ({"min_panel": 2, "on_low": "escalate"}, "name the router with the stronger panel"),
        ({"min_panel": 2, "escalate_to": "strong"}, 'add on_low = "escalate"'),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], sentence: str) -> None:
    assert sentence in told(**options)
