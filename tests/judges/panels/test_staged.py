from pathlib import Path

import pytest

from judges import JUDGES, Judge, Model, ModelError
from judges.calibration import Calibration, Fitted, write
from judges.testing import ScriptedModel, a_candidate, a_case, check_judge
from tests.judges.reader import Reader

SORRY = a_candidate("I'm sorry, but I can't help with that.", id="sorry")
STAGES = ["refusal", "answer", {"use": "pairwise", "model": "small"}]


def staged(*stages: object, **options: object) -> Judge:
    return JUDGES.build({"use": "staged", "stages": list(stages or STAGES), **options})


def pairwise(model: str, **options: object) -> dict[str, object]:
    return {"use": "pairwise", "model": model, **options}


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


async def test_the_verdict_says_which_stage_decided() -> None:
    verdict = await staged().judge(a_case("short", "longer"), {"small": Reader()})
    assert verdict.flags == ("stage:3",)
    assert verdict.reason.startswith("stage 3 of 3 (pairwise): ")
    assert [ballot.outcome for ballot in verdict.ballots] == ["abstained", "abstained", "decided"]


@pytest.mark.parametrize(
    ("first", "asked"),
    [
        ("[[A]]", 0),
        ("[[C]]", 1),  # a tie
        ("I cannot say.", 1),  # an abstention
    ],
)
async def test_the_strong_judge_is_asked_only_where_the_cheap_one_is_not_sure(first: str, asked: int) -> None:
    strong = Reader()
    verdict = await staged(pairwise("cheap"), pairwise("strong")).judge(
        a_case("short", "longer"), {"cheap": ScriptedModel([first]), "strong": strong}
    )
    assert len(strong.pages) == asked
    assert verdict.flags[:1] == (f"stage:{1 + asked}",)
    assert verdict.usage.nano_usd == 1000 + 7 * asked, "every stage is paid for"


async def test_two_orders_that_contradict_each_other_go_to_the_strong_judge() -> None:
    strong = Reader()
    judge = staged(pairwise("cheap", order="both"), pairwise("strong"))
    verdict = await judge.judge(a_case("short", "longer"), {"cheap": ScriptedModel(["[[A]]"]), "strong": strong})
    assert (verdict.winners, len(strong.pages)) == (("c1",), 1)
    assert verdict.flags == ("stage:2", "flipped")


async def test_a_threshold_for_each_stage_asks_more_of_a_single_page() -> None:
    strong = Reader()
    stages = (pairwise("cheap"), pairwise("strong"))
    models: dict[str, Model] = {"cheap": ScriptedModel(["[[A]]"]), "strong": strong}
    verdict = await staged(*stages, min_confidence=[0.7, 0]).judge(a_case("short", "longer"), models)
    assert (verdict.flags, len(strong.pages)) == (("stage:2",), 1)


async def test_a_calibrated_confidence_goes_before_the_raw_signal(tmp_path: Path) -> None:
    """One page has a signal of 0.67, which passes; labels say that this judge is worth less."""
    cheap = JUDGES.build(pairwise("cheap"))
    write(tmp_path / "cal.json", Calibration(judges={cheap.digest: Fitted(n=9, right=5, knots=((0.0, 0.55),))}))
    judge = staged(pairwise("cheap"), "longest", calibration=tmp_path / "cal.json")
    judge.load()
    verdict = await judge.judge(a_case("short", "longer"), {"cheap": ScriptedModel(["[[A]]"])})
    assert verdict.flags == ("stage:2",)
    assert verdict.ballots[0].confidence == 0.55


async def test_nobody_sure_leaves_the_last_word_and_says_so() -> None:
    verdict = await staged("refusal", pairwise("small"), min_confidence=0.9).judge(
        a_case("short", "longer"), {"small": Reader()}
    )
    assert (verdict.winners, verdict.flags) == (("c1",), ("stage:2", "unsure"))


async def test_a_staged_seat_of_a_jury_does_not_lend_it_its_stage() -> None:
    jury = JUDGES.build({"use": "jury", "seats": [staged(), "longest"]})
    verdict = await jury.judge(a_case("short", "longer"), {"small": Reader()})
    assert verdict.flags == ()
    assert verdict.ballots[0].flags == ("stage:3",)


def test_thresholds_must_fit_the_stages() -> None:
    with pytest.raises(ValueError, match=r"min_confidence: .*3 numbers for 2 stages"):
        staged("refusal", "longest", min_confidence=[0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="min_confidence"):
        staged("refusal", min_confidence=1.5)


def test_settled_is_asked_of_the_stages() -> None:
    assert staged().settled(a_case("7", "7"), 1)
    assert not staged("refusal", "longest").settled(a_case("7", "7"), 1)


async def test_the_laws_hold() -> None:
    cases = [a_case(SORRY, a_candidate("a", id="a"), a_candidate("bb", id="b")), a_case("7", "7", "8"), a_case("x")]
    await check_judge(staged(), cases, {"small": Reader()})
