"""Plans carried out on labels, through ``Router.plan``; nobody is called."""

from typing import Any

import numpy as np
import pytest

from ensemble.errors import CallFailed, RouterError
from ensemble.fleet import MemberSettings
from ensemble.router import Context, Router
from ensemble.routers.auto import Auto
from ensemble.routers.parallel import Parallel
from ensemble.routers.single import Single
from ensemble.training.held import hold
from ensemble.training.replay import Replayed, offline_fleet, replay
from ensemble.types import Plan, Request, Stage
from judges.judge import JUDGES
from judges.types import Prompt
from tests.ensemble.training.examples import MEMBERS, a_hold, an_example

FLEET = offline_fleet({
    name: MemberSettings.model_validate({"provider": "none", "model": name, "max_output_tokens": 10})
    for name in MEMBERS
})  # fmt: skip


class ByLength(Router):
    """A router of a test: the short to small, the long to large, with predictions; none for what says "no"."""

    use = "by-length"

    async def plan(self, request: Request, context: Context) -> Plan:
        text = request.prompt.messages[0].text
        if "no plan" in text:
            raise RouterError("it says no")
        member = "large" if len(text) > 100 else "small"
        predicted = {"small": 0.9 - 0.8 * (len(text) > 100), "medium": 0.5, "large": 0.95}
        return Plan(router=self.digest, stages=(Stage(members=(member,)),), predicted=predicted)


class Steps(Router):
    """A router of a test: the stages that it is given."""

    use = "steps"
    stages: tuple[Any, ...]

    async def plan(self, request: Request, context: Context) -> Plan:
        return Plan(router=self.digest, stages=self.stages)


async def replayed(router: Router, held: Any, **options: Any) -> Replayed:
    return await replay("it", router, held, FLEET, **options)


async def test_one_member_gets_its_own_figures() -> None:
    held = a_hold(20)
    found = await replayed(Single(member="medium"), held)  # type: ignore[arg-type] # a name
    assert found.choice.tolist() == [[0, 1, 0]] * 20
    assert set(found.nano_usd.tolist()) == {10.0}
    assert set(found.seconds.tolist()) == {2.0}
    assert np.isnan(found.predicted).all()
    assert found.problems == {}


async def test_a_router_reads_the_request_as_it_came() -> None:
    found = await replayed(ByLength(), a_hold(50))
    long = np.array([len(text) > 100 for text in a_hold(50).table.texts])
    assert (found.choice[:, 2] == long).all()
    assert found.predicted[long, 0] == pytest.approx(0.1)


async def test_of_a_panel_the_best_answer_is_served_and_all_are_paid() -> None:
    held = hold([an_example("1", {"small": 0.5, "medium": 1.0, "large": 1.0})], members=MEMBERS)
    router = Parallel.model_validate(
        {"members": ["large", "small", "medium"], "judge": "house", "samples": {"small": 2}}
    )
    found = await replayed(router, held)
    assert found.choice.tolist() == [[0, 0, 1]]  # of equals the first of the plan
    assert found.called.tolist() == [[True, True, True]]
    assert (found.nano_usd.tolist(), found.seconds.tolist(), found.judged) == ([112.0], [3.0], 1)


async def test_without_a_judge_the_first_of_the_plan_is_served() -> None:
    held = hold([an_example("1", {"small": 0.5, "medium": 1.0, "large": 1.0})], members=MEMBERS)
    found = await replayed(Parallel.model_validate({"members": ["small", "medium"]}), held)
    assert found.choice.tolist() == [[1, 0, 0]]


async def test_a_quorum_does_not_wait_for_the_slow() -> None:
    held = hold([an_example("1", {"small": 0.5, "medium": 0.75, "large": 1.0})], members=MEMBERS)
    router = Parallel.model_validate({"members": MEMBERS, "judge": "house", "quorum": 2, "grace_s": 0.5})
    found = await replayed(router, held)
    assert (found.choice.tolist(), found.seconds.tolist(), found.nano_usd.tolist()) == ([[0, 1, 0]], [2.5], [111.0])


@pytest.mark.parametrize(("score", "served", "paid"), [(0.9, "small", 1), (0.3, "large", 101)])
async def test_a_cascade_goes_on_below_the_score_and_pays_both(score: float, served: str, paid: int) -> None:
    held = hold([an_example("1", {"small": score, "medium": 0.0, "large": 1.0})], members=MEMBERS)
    first = Stage(members=("small",), judge="house", accept_score=0.5)
    found = await replayed(Steps(stages=(first, Stage(members=("large",)))), held)
    assert found.choice[0].argmax() == MEMBERS.index(served)
    assert found.nano_usd.tolist() == [paid]


async def test_a_judge_that_asks_no_model_reads_the_kept_answers() -> None:
    """The longest answer wins by the judge that the plan names, though the label finds another one best."""
    answers = {"small": "short", "medium": "the longest of them all", "large": "middling"}
    held = hold([an_example("1", {"small": 1.0, "medium": 0.0, "large": 1.0}, answers=answers)], members=MEMBERS)
    router = Parallel.model_validate({"members": MEMBERS, "judge": "house"})
    found = await replayed(router, held, judges={"house": JUDGES.build("longest")})
    assert found.choice.tolist() == [[0, 1, 0]]


async def test_a_request_without_a_plan_is_told_and_counts_for_nothing() -> None:
    examples = [an_example("1", {"small": 1.0, "medium": 1.0, "large": 1.0}, "there is no plan for this")]
    found = await replayed(ByLength(), hold(examples, members=MEMBERS))
    assert (found.choice.sum(), dict(found.problems)) == (0, {0: "it says no"})
    fallen = await replayed(ByLength(fallback=("large",)), hold(examples, members=MEMBERS))  # type: ignore[arg-type] # a name
    assert fallen.choice.tolist() == [[0, 0, 1]]


async def test_a_request_that_a_client_would_get_back_is_told() -> None:
    example = an_example("1", {"small": 1.0, "medium": 1.0, "large": 1.0}, metadata={"stakes": "huge"})
    auto = Auto(router=ByLength(), panel=Parallel(members=("small", "large")))  # type: ignore[arg-type] # names
    found = await replayed(auto, hold([example], members=MEMBERS))
    assert dict(found.problems) == {0: "metadata.stakes: must be one of low, normal, high"}


async def test_a_member_that_the_labels_do_not_know_is_named() -> None:
    held = a_hold(3)
    found = await replayed(Single(member="huge"), held)  # type: ignore[arg-type] # a name
    assert found.problems[0] == "the labels say nothing of huge"


async def test_nobody_can_be_called() -> None:
    with pytest.raises(CallFailed, match="no model is called"):
        await FLEET["small"].connection.complete("small", Prompt(messages=()))
