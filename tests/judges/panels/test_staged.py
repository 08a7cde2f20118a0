from judges import JUDGES, Judge, ModelError
from judges.testing import ScriptedModel, a_candidate, a_case, check_judge
from tests.judges.reader import Reader

SORRY = a_candidate("I'm sorry, but I can't help with that.", id="sorry")
STAGES = ["refusal", "answer", {"use": "pairwise", "model": "small"}]


def staged(*stages: object) -> Judge:
    return JUDGES.build({"use": "staged", "stages": list(stages or STAGES)})


async def test_a_filter_that_leaves_one_decides_without_a_question() -> None:
    model = Reader()
    verdict = await staged().judge(a_case(SORRY, a_candidate("Fine.", id="fine")), {"small": model})
    assert (verdict.outcome, verdict.winners, len(verdict.ballots), model.pages) == ("decided", ("fine",), 1, [])
    assert verdict.usage.nano_usd == 0


async def test_a_filter_that_leaves_several_narrows_the_field() -> None:
    model = Reader()
    field = (SORRY, a_candidate("Short and fine.", id="fine"), a_candidate("A longer one, also fine.", id="long"))
    verdict = await staged().judge(a_case(*field), {"small": model})
    assert verdict.winners == ("long",)
    assert [ballot.outcome for ballot in verdict.ballots] == ["tie", "abstained", "decided"]
    assert SORRY.completion.text not in model.pages[0].candidates
    assert verdict.usage.nano_usd == 7
    assert verdict.exchanges == (), "the questions stay with their ballot"


async def test_agreement_on_the_answer_ends_it() -> None:
    model = Reader()
    verdict = await staged().judge(a_case("7", "The answer is 7.", "8"), {"small": model})
    assert (verdict.outcome, verdict.winners, model.pages) == ("tie", ("c0", "c1"), [])


async def test_a_failure_in_the_last_stage_is_a_failure() -> None:
    verdict = await staged().judge(a_case("one", "other"), {"small": ScriptedModel([ModelError("gone")])})
    assert (verdict.outcome, verdict.winners) == ("failed", ())


async def test_a_failure_before_the_last_stage_passes_the_case_on() -> None:
    judge = staged({"use": "pairwise", "model": "gone"}, "longest")
    assert (await judge.judge(a_case("one", "other"), {})).winners == ("c1",)


async def test_the_last_tie_stands_where_the_last_stage_abstains() -> None:
    judge = staged("refusal", "answer")
    field = (SORRY, a_candidate("Some prose about it, of some length.", id="x"), a_candidate("Other prose.", id="y"))
    verdict = await judge.judge(a_case(*field), {})
    assert (verdict.outcome, verdict.winners) == ("tie", ("x", "y"))


def test_settled_is_asked_of_the_stages() -> None:
    assert staged().settled(a_case("7", "7"), 1)
    assert not staged("refusal", "longest").settled(a_case("7", "7"), 1)


async def test_the_laws_hold() -> None:
    cases = [a_case(SORRY, a_candidate("a", id="a"), a_candidate("bb", id="b")), a_case("7", "7", "8"), a_case("x")]
    await check_judge(staged(), cases, {"small": Reader()})
