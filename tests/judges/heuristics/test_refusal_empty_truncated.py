"""Refusal, empty and truncated: each prefers the candidates that are not so, and says nothing about equal ones."""

import pytest

from judges import JUDGES
from judges.testing import a_candidate, a_case, check_judge
from judges.types import Candidate, ToolCall

GOOD = a_candidate("The capital of France is Paris.", id="good")
ALSO = a_candidate("Paris.", id="also")
BAD = {
    "empty": a_candidate(" \n", id="bad"),
    "truncated": a_candidate("The capital of", id="bad", finish_reason="length"),
    "refusal": a_candidate("I'm sorry, but I can't assist with that request.", id="bad"),
}


@pytest.mark.parametrize("name", BAD)
async def test_the_other_candidate_is_preferred(name: str) -> None:
    verdict = await JUDGES.build(name).judge(a_case(BAD[name], GOOD), {})
    assert (verdict.outcome, verdict.winners) == ("decided", ("good",))
    assert verdict.usage.nano_usd == 0


@pytest.mark.parametrize("name", BAD)
async def test_several_good_ones_tie(name: str) -> None:
    verdict = await JUDGES.build(name).judge(a_case(GOOD, BAD[name], ALSO), {})
    assert (verdict.outcome, verdict.winners) == ("tie", ("good", "also"))


@pytest.mark.parametrize("name", BAD)
async def test_it_is_silent_where_all_or_none_are_so(name: str) -> None:
    for field in ((GOOD, ALSO), (BAD[name],), ()):
        assert (await JUDGES.build(name).judge(a_case(*field), {})).outcome == "abstained"


@pytest.mark.parametrize("name", BAD)
async def test_the_laws_hold(name: str) -> None:
    await check_judge(JUDGES.build(name), [a_case(BAD[name], GOOD, ALSO), a_case(GOOD, ALSO), a_case(BAD[name])])


@pytest.mark.parametrize(
    "text",
    [
        "I cannot help with that.",
        "Sorry, I can’t provide verbatim lyrics from the song.",
        "As an AI language model, I am not able to generate such content.",
        "I apologize, but I do not feel comfortable providing information to help falsify material.",
        "Unfortunately, I am unable to comply with this request.",
    ],
)
async def test_it_knows_a_refusal_by_its_words(text: str) -> None:
    verdict = await JUDGES.build("refusal").judge(a_case(a_candidate(text, id="bad"), GOOD), {})
    assert verdict.winners == ("good",)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry to hear that. Here is what you can do: call your bank.",
        "I can help you with that.",
        "You cannot divide by zero.",
        "Sorry seems to be the hardest word is a song by Elton John.",
        "I'm sorry, but I can't help with " + "the first part; here is the rest. " * 30,
    ],
)
async def test_it_does_not_take_an_answer_for_a_refusal(text: str) -> None:
    verdict = await JUDGES.build("refusal").judge(a_case(a_candidate(text, id="fine"), GOOD), {})
    assert verdict.outcome == "abstained"


async def test_a_refusal_by_finish_reason_needs_no_words() -> None:
    refused = a_candidate("", id="bad", finish_reason="refusal")
    assert (await JUDGES.build("refusal").judge(a_case(refused, GOOD), {})).winners == ("good",)


async def test_a_tool_call_without_text_is_not_empty() -> None:
    calls: Candidate = a_candidate("", id="c", tool_calls=(ToolCall(id="1", name="f", arguments="{}"),))
    assert (await JUDGES.build("empty").judge(a_case(calls, GOOD), {})).outcome == "abstained"
