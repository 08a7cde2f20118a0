"""Split over real HTTP: shares, conversations that stay, propensities in the log."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from ensemble.router import Context, Router
from ensemble.routers.parallel import Parallel
from ensemble.routers.single import Single
from ensemble.routers.split import Split
from ensemble.types import Plan, Request, Stage
from tests.ensemble.doubles import a_fleet, a_member, a_request
from tests.ensemble.engine import panel
from tests.served import SERVER, a_question, serving

TABLES = """
[routers.split]
use = "split"
weights = { old = 95, canary = 5 }

[routers.split.arms.old]
use = "single"
member = "alpha"

[routers.split.arms.canary]
use = "parallel"
members = ["alpha", "beta"]
"""


async def test_the_log_names_arm_and_propensities(tmp_path: Path) -> None:
    async with serving(tmp_path, TABLES + SERVER) as served:
        async with served.client() as client:
            raw = await client.chat.completions.with_raw_response.create(
                model="split", messages=[{"role": "user", "content": "Hello"}]
            )
        record = await served.record(raw.headers["x-ensemble-request-id"])
        code, said, _ = await served.post(a_question(model="split"))
    assert code == 200, said
    plan = record["plan"]
    assert plan["propensities"] == pytest.approx({"alpha": 1.0, "beta": 0.05})
    assert plan["reason"].startswith("arm ")


async def test_shares_are_kept_and_conversations_stay() -> None:
    context = Context(fleet=a_fleet(alpha=a_member("alpha"), beta=a_member("beta"))[0], models={})
    arms = {"a": Single(member="alpha"), "b": Single(member="beta")}  # type: ignore[arg-type]
    split = Split(arms=arms, weights={"a": 3, "b": 1})

    async def member(conversation: str) -> str:
        plan = await split.plan(a_request(conversation=conversation), context)
        return plan.stages[0].members[0]

    first = [await member(f"c{n}") for n in range(2000)]
    assert [await member(f"c{n}") for n in range(2000)] == first
    assert 0.70 < first.count("alpha") / 2000 < 0.80
    other = Split(arms=arms, weights={"a": 3, "b": 1}, seed=1)
    assert other.digest != split.digest


async def test_who_stands_behind_in_case_of_failure_is_not_taken_for_called() -> None:
    context = Context(fleet=a_fleet(**{name: a_member(name) for name in ("alpha", "beta", "gamma")})[0], models={})
    arms = {"straight": Behind(accept_score=0.0), "cascade": Behind(accept_score=0.7)}
    straight, cascade = [
        await Split(arms=arms, weights=weights).plan(a_request(), context)
        for weights in ({"straight": 1, "cascade": 0}, {"straight": 3, "cascade": 1})
    ]
    assert straight.propensities == cascade.propensities == {"alpha": 1.0}


async def test_whether_a_later_step_is_asked_is_not_known() -> None:
    context = Context(fleet=a_fleet(**{name: a_member(name) for name in ("alpha", "beta", "gamma")})[0], models={})
    arms = {"cascade": Behind(accept_score=0.7), "beta": Single(member="beta")}  # type: ignore[arg-type]
    plan = await Split(arms=arms, weights={"cascade": 1, "beta": 3}).plan(a_request(), context)
    assert plan.propensities == {"alpha": 0.25}, "beta has its own arm's share, and what it gets of the other's"


async def test_where_an_arm_has_its_panel_judged_propensities_are_chances_of_a_label() -> None:
    names = ("alpha", "beta", "gamma", "delta")
    context = Context(fleet=a_fleet(**{name: a_member(name) for name in names})[0], models={})
    arms: dict[str, Router] = {
        "alone": Single(member="alpha"),  # type: ignore[arg-type]
        "pair": panel("alpha", "beta", judge="picky"),
        "three": panel("alpha", "beta", "gamma", judge="picky"),
        "unjudged": Parallel(members=("alpha", "delta")),  # type: ignore[arg-type]
    }
    weights = {"alone": 4, "pair": 3, "three": 2, "unjudged": 1}
    plan = await Split(arms=arms, weights=weights).plan(a_request(), context)
    assert plan.propensities == pytest.approx({"alpha": 0.5, "beta": 0.5, "gamma": 0.2})
    plan = await Split(arms=arms, weights=weights).plan(a_request(), replace(context, shadows=True))
    assert plan.propensities == pytest.approx({"alpha": 1.0, "beta": 0.5, "gamma": 0.2, "delta": 0.1})
    arms |= {"pair": Split(arms=arms, weights=weights)}
    plan = await Split(arms=arms, weights=weights).plan(a_request(), context)
    assert plan.propensities == {}, "an arm that is drawn itself does not tell whom it would have judged"


class Behind(Router):
    """Asks alpha, then beta, then gamma."""

    use = "behind"
    accept_score: float

    async def plan(self, request: Request, context: Context) -> Plan:
        first = Stage(members=("alpha",), judge="any", accept_score=self.accept_score)
        second = Stage(members=("beta",), judge="any", accept_score=self.accept_score)
        return Plan(router=self.digest, stages=(first, second, Stage(members=("gamma",))))


@pytest.mark.parametrize("weights", [{"a": 0.0}, {"a": -1.0}, {"b": 1.0}, {"a": float("inf")}])
def test_weights_that_do_not_fit_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        Split(arms={"a": Single(member="alpha")}, weights=weights)  # type: ignore[arg-type]


async def test_a_split_within_a_split_keeps_its_shares() -> None:
    context = Context(fleet=a_fleet(**{name: a_member(name) for name in ("alpha", "beta", "gamma")})[0], models={})
    inner = Split(arms={"a": Single(member="alpha"), "b": Single(member="beta")}, weights={"a": 1, "b": 1})  # type: ignore[arg-type]
    outer = Split(arms={"inner": inner, "other": Single(member="gamma")}, weights={"inner": 1, "other": 1})  # type: ignore[arg-type]
    plans = [await outer.plan(a_request(), context) for _ in range(2000)]
    taken = Counter(plan.stages[0].members[0] for plan in plans)
    assert all(plan.propensities == {"alpha": 0.25, "beta": 0.25, "gamma": 0.5} for plan in plans)
    assert {name: taken[name] / 2000 for name in taken} == pytest.approx(
        {"alpha": 0.25, "beta": 0.25, "gamma": 0.5}, abs=0.05
    )
