import asyncio
import gzip
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from judges import JUDGES, Case
from judges.heuristics._answers import _STATED, final_answer, may_state
from judges.heuristics.answer import Answer
from judges.testing import a_candidate, a_case, check_judge

SUM = "How many apples are left?"


@pytest.mark.parametrize(
    ("texts", "question"),
    [
        (
            (
                "42",
                "42.",
                "$42",
                "**42**",
                "42.0",
                "The answer is 42.",
                "So we get \\boxed{42}",
                "#### 42",
                "x\n\n#### 42",
            ),
            "",
        ),
        (("1,250", "1250", "The answer is 1,250 dollars.", "So 1,000 + 250 = 1,250"), SUM),
        (("3/4", "0.75", "\\boxed{\\frac{3}{4}}", "Answer: 0.750"), ""),
        (("B", "(B)", "The correct answer is (B).", "Final answer: **B**", "(B) Paris", "b."), ""),
        (("Paris", "paris.", "The answer is: Paris", "**Paris**"), ""),
        (("-5", "−5", "The final answer is -5."), ""),
        (("First 3 went.\nThen 4.\nThat leaves 7 apples.", "7", "7 apples"), SUM),
    ],
)
def test_equal_answers_are_equal_in_any_spelling(texts: tuple[str, ...], question: str) -> None:
    assert len({final_answer(text, question) for text in texts}) == 1
    assert final_answer(texts[0], question) is not None


@pytest.mark.parametrize(
    ("crowd", "reference"),
    [
        (('{"x": 1, "y": [2]}', '{"y":[2.0],"x":1}', '{"x": 3}'), None),
        (('{"x": 1, "y": [2]}', '{"y":[2.0],"x":1}', '{"x": 3}'), '{"y": [2], "x": 1}'),
    ],
)
async def test_json_counts_by_value(crowd: tuple[str, ...], reference: str | None) -> None:
    verdict = await Answer().judge(replace(a_case(*crowd), reference=reference), {})
    assert verdict.winners == ("c0", "c1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "Rome was not built in a day, and the year was 1994 or so when it was finished by hand.",
        "Ten things to see:\n9. The bridge, which is old\n10. The tower, which is older than the bridge",
        "### Instructions for the tahini that goes with it\nStir.",
        "**",
    ],
)
def test_prose_has_no_final_answer(text: str) -> None:
    assert final_answer(text, "What should I see?") is None


def test_two_numbers_at_the_end_are_no_answer() -> None:
    assert final_answer("So Tom has 3 apples and Ann has 4 of them, which they are both happy about.", SUM) is None


@given(st.text(), st.text())
@example("\\boxed{", "")
@example("The answer is 1/0", "")
@example(f"The answer is {'7' * 3000}.{'7' * 3000}", "")
@example(f"The answer is {'7' * 9000}", "")
def test_no_text_raises(text: str, question: str) -> None:
    assert isinstance(final_answer(text, question), str | None)


async def test_the_majority_among_comparable_candidates_wins() -> None:
    case = a_case("The answer is 7.", "7", "8", question=SUM)
    verdict = await Answer().judge(case, {})
    assert (verdict.outcome, verdict.winners) == ("tie", ("c0", "c1"))
    assert (await Answer().judge(a_case("7", "7", "8", comparable=False), {})).outcome == "abstained"


async def test_it_is_silent_without_agreement() -> None:
    for field in (("7", "8"), ("7",), ("7", "7", "8", "8"), ("A long story without any point to it, really.",) * 3, ()):
        assert (await Answer().judge(a_case(*field), {})).outcome == "abstained", field


@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), max_size=4))
def test_what_is_settled_cannot_be_changed_by_those_who_are_outstanding(here: list[int], late: list[int]) -> None:
    def case_of(answers: list[int]) -> Case:
        return a_case(*(a_candidate(f"The answer is {answer}.", id=str(n)) for n, answer in enumerate(answers)))

    if not Answer().settled(case_of(here), outstanding=len(late)):
        return
    verdict = asyncio.run(Answer().judge(case_of(here + late), {}))
    leading = Counter(here).most_common(1)[0][0]
    assert verdict.winners
    assert {(here + late)[int(one)] for one in verdict.winners} == {leading}


def test_it_is_settled_as_soon_as_the_lead_is_out_of_reach() -> None:
    assert Answer().settled(a_case("7", "7"), outstanding=1)
    assert not Answer().settled(a_case("7", "7"), outstanding=2)
    assert not Answer().settled(a_case("7"), outstanding=0)
    assert not Answer().settled(a_case("7", "7", comparable=False), outstanding=0)


async def test_the_laws_hold() -> None:
    await check_judge(JUDGES.build("answer"), [a_case("7", "7", "8"), a_case("7", "8"), a_case("a", "A", "B", "B ")])


@pytest.mark.parametrize(
    ("reference", "right", "wrong"),
    [
        ("42", "So it is 6 * 7 = 42.", "So it is 41."),
        ("#### 1,250", "The answer is $1250.", "The answer is 1205."),
        ("(B)", "I choose (A), no: the answer is (B).", "The answer is (A)."),
        ("Paris", "**paris**", "Rome"),
        ("1/3", "The answer is 0.3333333333.", "The answer is 0.33."),
        ("-0.5", "\\boxed{-\\frac{1}{2}}", "\\boxed{\\frac{1}{2}}"),
    ],
)
async def test_a_known_answer_decides(reference: str, right: str, wrong: str) -> None:
    case = replace(a_case(wrong, right, question="What is it?"), reference=reference)
    assert (await Answer().judge(case, {})).winners == ("c1",)
    # The wrong ones are many, and agree.
    crowd = replace(a_case(wrong, wrong, wrong, right, question="What is it?"), reference=reference)
    assert (await Answer().judge(crowd, {})).winners == ("c3",)
    assert not Answer().settled(crowd, outstanding=0)


async def test_tolerance_is_a_share_of_the_larger_number() -> None:
    case = replace(
        a_case("The answer is 3.14.", "The answer is 3.", "I have no idea at all, and very many words to say so.")
    )
    case = replace(case, reference="3.14159")
    assert (await Answer().judge(case, {})).outcome == "abstained"
    verdict = await Answer(tolerance=0.001).judge(case, {})
    assert (verdict.outcome, verdict.winners) == ("tie", ("c0", "c2"))
    assert (await Answer(tolerance=0.05).judge(case, {})).outcome == "abstained"


async def test_numbers_within_the_tolerance_agree() -> None:
    field = ("The answer is 3.14.", "The answer is 3.1416.", "The answer is 2.")
    assert (await Answer().judge(a_case(*field), {})).outcome == "abstained"
    assert (await Answer(tolerance=0.001).judge(a_case(*field), {})).winners == ("c0", "c1")


async def test_on_recorded_mathematics_a_known_answer_agrees_with_the_recorded_score(shared_data: Path) -> None:
    """GSM8K, where exactly one of two models was scored right."""
    right = wrong = 0
    with gzip.open(shared_data / "routing" / "gsm8k.jsonl.gz", "rt") as lines:
        for record in map(json.loads, lines):
            field = [a_candidate(said["output"], id=name) for name, said in record["models"].items()]
            case = replace(a_case(*field, question=record["prompt"]), reference=record["reference"])
            verdict = await Answer().judge(case, {})
            scores = {name: said["score"] for name, said in record["models"].items()}
            if verdict.outcome == "decided" and len(set(scores.values())) == 2:
                right += scores[verdict.winners[0]] == 1
                wrong += scores[verdict.winners[0]] == 0
    assert right >= 100
    assert wrong <= 0.02 * right


@given(st.from_regex(_STATED))
@example("the BEST CHOİCE is B")
@example("the best optıon: B")
def test_whatever_is_stated_has_one_of_the_words_that_are_looked_for_first(text: str) -> None:
    assert may_state(text)
