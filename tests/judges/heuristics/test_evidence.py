from typing import Any

import pytest

from judges.heuristics._evidence import NONE, evidence
from judges.learning.model import VERIFIERS
from judges.types import Completion, Message, ResponseFormat, TokenLogprob, ToolCall

NAMES = ("schema", "format", "arithmetic", "refusal", "truncated")
BRIEF = "Where? Answer with one word."
FORM = ResponseFormat(type="json_schema", schema={"type": "object", "required": ["city"]})
CALL = ToolCall(id="1", name="f", arguments="{}")


def outcomes(
    text: str, asked: str = "What is it?", form: ResponseFormat | None = None, **more: Any
) -> dict[str, float]:
    said = Completion(**{"text": text, "finish_reason": "stop", **more})
    found = evidence((Message(role="user", content=asked),), form, said)
    assert len(found) == len(NONE)
    return dict(zip(NAMES, found[:VERIFIERS], strict=True))


def test_an_answer_of_which_nothing_is_demanded() -> None:
    assert outcomes("Paris.") == {"schema": 0, "format": 0, "arithmetic": 0, "refusal": 1, "truncated": 1}


@pytest.mark.parametrize(
    ("name", "passes", "fails"),
    [
        ("schema", {"text": '{"city": "Paris"}', "form": FORM}, {"text": "Paris", "form": FORM}),
        ("format", {"text": "Paris", "asked": BRIEF}, {"text": "In Paris", "asked": BRIEF}),
        ("arithmetic", {"text": "3 * 4 = 12"}, {"text": "3 * 4 = 12, and 2 + 2 = 5"}),
        ("refusal", {"text": "Paris."}, {"text": "I'm sorry, but I can't help with that."}),
        ("truncated", {"text": "Paris."}, {"text": "Par", "finish_reason": "length"}),
    ],
)
def test_what_a_verifier_finds(name: str, passes: Any, fails: Any) -> None:
    assert outcomes(**passes)[name] == 1
    assert outcomes(**fails)[name] == -1


def test_a_demand_that_cannot_be_checked_is_silent() -> None:
    foreign = ResponseFormat(type="json_schema", schema={"$ref": "https://example.org/x"})
    assert outcomes("x", form=foreign)["schema"] == 0
    assert outcomes("", form=FORM, tool_calls=(CALL,))["schema"] == 0


def test_how_sure_the_model_was_follows() -> None:
    said = Completion(text="4", finish_reason="stop", logprobs=(TokenLogprob(token="4", logprob=-0.5),))
    assert evidence((), None, said)[VERIFIERS:] == (1.0, -0.5, -0.5, -0.5, -0.5, -0.5)
