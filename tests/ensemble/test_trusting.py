"""What becomes of answers that are not good enough, on a virtual clock; the same over HTTP is in tests/stories."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ensemble.errors import NoCandidate, NotConfident
from ensemble.fleet import Fleet
from ensemble.pipeline import Pipeline
from ensemble.routers.parallel import Parallel
from ensemble.types import Answer
from judges.types import Case, Model, Verdict
from tests.ensemble.doubles import a_fleet, a_member, a_request, failed
from tests.ensemble.engine import Kept, Picky, a_pipeline, panel, settle
from tests.virtual import run_virtual


class Sure(Picky):
    """As sure as the winner has exclamation marks, in tenths; it knows no confidence without any."""

    use = "sure"

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        verdict = await super().judge(case, models)
        return replace(verdict, confidence=max(verdict.scores.values(), default=0.0) or None)


def strict(*members: str, trust: dict[str, Any], **options: Any) -> Parallel:
    return panel(*members, trust=trust, **options)


def a_house(fleet: Fleet, **routers: Parallel) -> tuple[Pipeline, Kept]:
    pipeline, kept = a_pipeline(fleet, routers["panel"], Sure())
    return replace(pipeline, routers=routers), kept


def five(**replies: str) -> Fleet:
    """Members that answer so, or fail where they are told to."""
    members = {n: a_member(n, failed("rejected") if text == "fails" else text) for n, text in replies.items()}
    return a_fleet(**members)[0]


def ask(fleet: Fleet, **routers: Parallel) -> tuple[Answer | NotConfident, Kept]:
    async def main() -> tuple[Answer | NotConfident, Kept]:
        pipeline, kept = a_house(fleet, **routers)
        try:
            return await pipeline.answer(a_request()), kept
        except NotConfident as error:
            return error, kept
        finally:
            await settle(pipeline)

    return run_virtual(main())


@pytest.mark.parametrize(
    ("trust", "replies", "told"),
    [
        ({"min_panel": 2}, {"a": "x", "b": "x!"}, None),
        ({"min_panel": 2}, {"a": "x!!!", "b": "fails"}, "min_panel 2: good candidates are 1"),
        ({"min_confidence": 0.3}, {"a": "x", "b": "x!!!"}, None),
        (
            {"min_confidence": 0.31},
            {"a": "x", "b": "x!!!"},
            "min_confidence 0.31: the confidence of the verdict is 0.3",
        ),
        ({"min_confidence": 0.1}, {"a": "x", "b": "y"}, "min_confidence 0.1: the confidence of the verdict is unknown"),
        ({"min_score": 0.3}, {"a": "x", "b": "x!!!"}, None),
        ({"min_score": 0.31}, {"a": "x", "b": "x!!!"}, "min_score 0.31: the score of the answer is 0.3"),
        (
            {"min_panel": 2, "min_score": 0.3},
            {"a": "x!", "b": "fails"},
            "min_panel 2: good candidates are 1; min_score 0.3: the score of the answer is 0.1",
        ),
    ],
)
def test_each_minimum_is_held(trust: dict[str, Any], replies: dict[str, str], told: str | None) -> None:
    answer, kept = ask(five(**replies), panel=strict("a", "b", trust=trust))
    assert isinstance(answer, Answer)
    assert answer.plan.warnings == (() if told is None else (f"the answer is in doubt: {told}",))
    assert kept.records[0].plan == answer.plan
    assert (told or "") in answer.plan.reason
    assert kept.records[0].review is None


@pytest.mark.parametrize("minimum", ["min_confidence", "min_score"])
def test_where_no_judge_decided_nothing_is_known(minimum: str) -> None:
    async def main() -> None:
        router = strict("a", "b", trust={minimum: 0.1})
        pipeline, _ = a_pipeline(five(a="x!!!!", b="x"), router, Sure(fail=True))
        answer = await pipeline.answer(a_request())
        assert answer.fallback == "member_order"
        assert len(answer.plan.warnings) == 1

    run_virtual(main())


def test_refused_is_an_error_and_the_candidates_stay_in_the_log() -> None:
    error, kept = ask(five(a="x", b="x!"), panel=strict("a", "b", trust={"min_score": 0.5, "on_low": "refuse"}))
    assert isinstance(error, NotConfident)
    assert str(error) == "no answer is good enough to be served: min_score 0.5: the score of the answer is 0.1"
    (record,) = kept.records
    assert (record.status, record.error, record.review) == ("failed", "not_confident", None)
    assert {call.member for call in record.calls if call.completion} == {"a", "b"}
    assert len(record.rulings) == 1


def test_a_review_goes_into_the_record_and_the_answer_out() -> None:
    answer, kept = ask(five(a="x", b="x!"), panel=strict("a", "b", trust={"min_score": 0.5, "on_low": "review"}))
    assert isinstance(answer, Answer)
    assert answer.member == "b"
    assert kept.records[0].review == "min_score 0.5: the score of the answer is 0.1"
    assert answer.plan.warnings == (f"the answer waits for review: {kept.records[0].review}",)


ESCALATE = {"min_score": 0.5, "on_low": "escalate", "escalate_to": "strong"}


def test_a_stronger_panel_answers_instead() -> None:
    fleet = five(a="x", b="x!", c="y!!!!!!", d="y")
    answer, kept = ask(fleet, panel=strict("a", "b", trust=ESCALATE), strong=panel("c", "d"))
    assert isinstance(answer, Answer)
    assert (answer.member, answer.plan.warnings) == ("c", ())
    (record,) = kept.records
    assert [stage.members for stage in answer.plan.stages] == [("a", "b"), ("c", "d")]
    assert [(ruling.stage, record.authors[ruling.chosen or ""]) for ruling in record.rulings] == [(0, "b"), (1, "c")]  # type: ignore[index]
    assert "escalated to strong: the whole panel" in answer.plan.reason
    assert {call.member: call.stage for call in record.calls if call.candidate} == {"a": 0, "b": 0, "c": 1, "d": 1}


def test_a_good_answer_escalates_nothing() -> None:
    answer, _ = ask(
        five(a="x", b="x!!!!!", c="y!!!!!!"), panel=strict("a", "b", trust=ESCALATE), strong=panel("c", "b")
    )
    assert isinstance(answer, Answer)
    assert (answer.member, len(answer.plan.stages)) == ("b", 1)


def test_below_the_minima_again_is_told() -> None:
    answer, _ = ask(five(a="x", b="x!", c="y!!"), panel=strict("a", "b", trust=ESCALATE), strong=panel("c"))
    assert isinstance(answer, Answer)
    assert answer.member == "c"
    assert answer.plan.warnings == ("the answer is in doubt: min_score 0.5: the score of the answer is 0.2",)


def test_the_stronger_panel_has_minima_and_ways_out_of_its_own() -> None:
    strong = strict("c", "d", trust={"min_panel": 2, "on_low": "refuse"})
    error, _ = ask(five(a="x", b="x!", c="y!!", d="fails"), panel=strict("a", "b", trust=ESCALATE), strong=strong)
    assert isinstance(error, NotConfident)
    assert "min_panel 2: good candidates are 1" in str(error)
    answer, _ = ask(five(a="x", b="x!", c="y!!", d="y"), panel=strict("a", "b", trust=ESCALATE), strong=strong)
    assert isinstance(answer, Answer)
    assert answer.plan.warnings == ()


def test_where_the_stronger_panel_brings_nothing_the_first_answer_stands_with_a_warning() -> None:
    fleet = five(a="x", b="x!", c="fails", d="fails")
    answer, kept = ask(fleet, panel=strict("a", "b", trust=ESCALATE), strong=panel("c", "d"))
    assert isinstance(answer, Answer)
    assert (answer.member, answer.fallback) == ("b", None)
    assert "the stronger panel of strong brought nothing (no_candidate)" in answer.plan.warnings[0]
    assert {call.member for call in kept.records[0].calls} == {"a", "b", "c", "d"}


def test_a_first_panel_that_hangs_leaves_time_for_the_stronger_one() -> None:
    async def main() -> None:
        fleet, _ = a_fleet(a=a_member("a", "x"), b=a_member("b", delay_s=1000), c=a_member("c", "y!!!!!!"))
        pipeline, _ = a_house(fleet, panel=strict("a", "b", trust=ESCALATE), strong=panel("c"))
        answer = await pipeline.answer(a_request(seconds=20))
        assert answer.member == "c"

    run_virtual(main())


def test_a_panel_that_brings_nothing_escalates_too() -> None:
    trust = {"min_panel": 1, "on_low": "escalate", "escalate_to": "strong"}
    answer, kept = ask(five(a="fails", b="fails", c="y"), panel=strict("a", "b", trust=trust), strong=panel("c"))
    assert isinstance(answer, Answer)
    assert answer.member == "c"
    assert [record.status for record in kept.records] == ["answered"]


def test_a_panel_that_brings_nothing_and_has_no_way_out_is_an_error() -> None:
    with pytest.raises(NoCandidate):
        ask(five(a="fails"), panel=strict("a", trust={"min_panel": 1, "on_low": "review"}))
