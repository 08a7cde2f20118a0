from hypothesis import given
from hypothesis import strategies as st

from judges.heuristics.consensus import Consensus
from judges.heuristics.longest import Longest
from judges.testing import a_candidate, a_case, check_judge
from judges.types import Candidate, ToolCall

CROWD = ("The cat sat on the mat.", "The cat sat on a mat.", "The cat sat on the mat!", "Buy gold now")


async def test_the_text_that_the_others_resemble_wins() -> None:
    verdict = await Consensus().judge(a_case("Buy gold now", "the cat sat", "the cat sits", "a cat sat"), {})
    assert (verdict.outcome, verdict.winners) == ("decided", ("c1",))
    assert verdict.usage.nano_usd == 0


async def test_fewer_than_three_comparable_say_nothing() -> None:
    assert (await Consensus().judge(a_case("one", "one"), {})).outcome == "abstained"
    assert (await Consensus().judge(a_case(*CROWD, comparable=False), {})).outcome == "abstained"
    assert (await Consensus().judge(a_case("x", "x", "", " "), {})).outcome == "abstained"


def calling(id: str, arguments: str) -> Candidate:
    return a_candidate("", id=id, tool_calls=(ToolCall(id=id, name="weather", arguments=arguments),))


async def test_tool_calls_and_json_count_by_value() -> None:
    calls = a_case(
        calling("a", '{"city": "Oslo", "days": 1}'),
        calling("b", '{"days":1.0,"city":"Oslo"}'),
        calling("c", '{"city": "Oslo", "days": 1, "units": "miles per hour"}'),
    )
    assert (await Consensus().judge(calls, {})).winners == ("a", "b")
    texts = a_case('{"x": 1, "y": [2]}', '{ "y" : [ 2.0 ], "x" : 1 }', '{"x": 1, "y": [3]}')
    assert (await Consensus().judge(texts, {})).winners == ("c0", "c1")


async def test_consensus_keeps_the_laws() -> None:
    await check_judge(Consensus(), [a_case(*CROWD), a_case("a", "b", "c"), a_case("same", "same", "same", "other")])


async def test_longest_is_the_bias_that_it_is_named_for() -> None:
    verdict = await Longest().judge(a_case("short", "much longer than that", "   padded     "), {})
    assert verdict.winners == ("c1",)
    assert (await Longest().judge(a_case("", " "), {})).outcome == "abstained"
    assert (await Longest().judge(a_case("ab", "cd"), {})).outcome == "tie"


@given(st.lists(st.text(max_size=8), max_size=5), st.integers())
async def test_longest_keeps_the_laws(texts: list[str], seed: int) -> None:
    await check_judge(Longest(), [a_case(*texts, seed=seed)])
