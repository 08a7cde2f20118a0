import pytest

from judges.heuristics.agreement import Agreement, loosely_told
from judges.testing import a_candidate, a_case, check_judge
from judges.types import Candidate, ToolCall


async def test_the_score_is_the_share_of_the_others_that_say_the_same() -> None:
    verdict = await Agreement().judge(a_case("42", "The answer is 42.", "43"), {})
    assert verdict.scores == {"c0": 0.5, "c1": 0.5, "c2": 0.0}
    assert verdict.winners == ("c0", "c1")


async def test_what_cannot_be_told_agrees_with_nobody() -> None:
    verdict = await Agreement().judge(a_case("", ""), {})
    assert set(verdict.scores.values()) == {0.0}


async def test_tool_calls_and_json_agree_by_value() -> None:
    def calling(id: str, arguments: str) -> Candidate:
        return a_candidate("", id=id, tool_calls=(ToolCall(id=id, name="weather", arguments=arguments),))

    calls = [
        calling("a", '{"city":"Oslo","days":1}'),
        calling("b", '{"days": 1.0, "city": "Oslo"}'),
        calling("c", "{}"),
    ]
    assert (await Agreement().judge(a_case(*calls), {})).scores == {"a": 0.5, "b": 0.5, "c": 0.0}
    texts = a_case('{"x": 1, "y": [2]}', '{"y": [2.0], "x": 1}')
    assert (await Agreement().judge(texts, {})).scores == {"c0": 1.0, "c1": 1.0}


@pytest.mark.parametrize(
    ("question", "ways"),
    [
        ("Is 1800 a leap year?", ("no.", "It is no.", "It divides by 100.\n\n**no**", "So.\n\n#### no", "Answer: No")),
        ("What is 9 minutes in seconds?", ("It is 540.", "**540**", "Nine times 60.\n\n\\boxed{540}", "540")),
        ("Which letter is next?", ("It is C.", "C", "The answer is (C).")),
        ("On what date?", ("2017-03-21", "Counting on from the 13th.\n\n**2017-03-21**", "The answer is 2017-03-21.")),
        ("Sort them.", ("1, 2, 3", "Here they are:\n\n1, 2, 3", "**1, 2, 3**")),
        (
            "As JSON.",
            ('{"a":1,"b":[2]}', '```json\n{"b": [2.0], "a": 1}\n```', 'Here:\n\n```\n{"a": 1, "b": [2]}\n```'),
        ),
    ],
)
def test_a_scorer_takes_an_answer_for_the_same_however_it_was_put(question: str, ways: tuple[str, ...]) -> None:
    assert len({loosely_told(text, question) for text in ways}) == 1
    assert loosely_told(ways[0], question) != loosely_told("It is something else.", question) != ""


def test_nothing_is_told_by_a_text_that_ends_in_a_fence_or_is_empty() -> None:
    assert [loosely_told(text, "Write it.") for text in ("", "So:\n```\nx = 1\n```", "```")] == ["", "", ""]


async def test_it_keeps_the_laws_of_judges() -> None:
    await check_judge(Agreement(), [a_case("42", "42", "43"), a_case("a")])
