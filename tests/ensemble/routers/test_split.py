"""Split over real HTTP: shares, conversations that stay, propensities in the log."""

from pathlib import Path

import pytest

from ensemble.router import Context
from ensemble.routers.single import Single
from ensemble.routers.split import Split
from tests.ensemble.doubles import a_fleet, a_member, a_request
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


@pytest.mark.parametrize("weights", [{"a": 0.0}, {"a": -1.0}, {"b": 1.0}, {"a": float("inf")}])
def test_weights_that_do_not_fit_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        Split(arms={"a": Single(member="alpha")}, weights=weights)  # type: ignore[arg-type]
