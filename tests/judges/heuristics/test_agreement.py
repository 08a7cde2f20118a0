from judges.heuristics.agreement import Agreement
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


async def test_it_keeps_the_laws_of_judges() -> None:
    await check_judge(Agreement(), [a_case("42", "42", "43"), a_case("a")])
