"""Auto over real HTTP: who is sure routes, who is not asks more, and stakes go before."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from ensemble.config import load
from ensemble.errors import ConfigError
from tests.ensemble.routers.sized import DESCRIBED, PARTS, planned
from tests.served import SERVER, Served, serving

SURE = '''
from ensemble.errors import RouterError
from ensemble.router import ROUTERS, Router
from ensemble.types import Plan, Stage


@ROUTERS.register("sure")
class Sure(Router):
    """As sure of small as the last word of the request says; a word that is no number predicts or fails."""

    async def plan(self, request, context):
        word = request.prompt.messages[-1].text.split()[-1]
        if word == "fail":
            raise RouterError("out of order")
        predicted = {} if word == "nothing" else {"small": float(word), "large": 1.0}
        return Plan(router=self.digest, stages=(Stage(members=("small",)),), predicted=predicted, reason="small")
'''
CASCADE = """
[judges.agreement]
use = "agreement"

[routers.auto.cascade]
use = "cascade"
judge = "agreement"
tiers = [{ members = ["small"], accept_score = 1.0 }, { members = ["large"] }]
"""
AUTO = """
[routers.auto]
use = "auto"
confident = 0.8
unsure = 0.5
high = [{ tasks = ["critical_decision"] }, { metadata = { team = "legal" } }]

[routers.auto.router]
use = "./sure.py"

[routers.auto.panel]
use = "parallel"
members = ["small", "balanced", "large"]
judge = "longest"
"""
ROUTE, CASCADED, PANEL = [["small"]], [["small"], ["large"]], [["small", "balanced", "large"]]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    (tmp_path / "sure.py").write_text(SURE)
    async with serving(tmp_path, AUTO + CASCADE + SERVER, parts=PARTS) as running:
        yield running


async def plan(served: Served, text: str, **metadata: str) -> Any:
    record = await planned(served, [{"role": "user", "content": text}], "auto", metadata=metadata)
    assert record["status"] == "answered"
    return record["plan"]


def stages(plan: Any) -> list[list[str]]:
    return [stage["members"] for stage in plan["stages"]]


@pytest.mark.parametrize(
    ("text", "stakes", "wanted", "reason"),
    [
        ("Take 0.9", None, ROUTE, "route, since small is predicted 0.90: small"),
        ("Take 0.8", "normal", ROUTE, "route, since small is predicted 0.80: small"),
        ("Take 0.7", "normal", CASCADED, "cascade, since small is predicted 0.70: cascade small -> large"),
        ("Take 0.5", None, CASCADED, "cascade, since small is predicted 0.50"),
        ("Take 0.4", None, PANEL, "fan-out, since small is predicted 0.40: the whole panel"),
        ("Take nothing", None, CASCADED, "cascade, since nothing is predicted of small"),
        ("Take fail", None, PANEL, "fan-out, since the router failed (out of order)"),
        ("Take 0.9", "low", ROUTE, "route, since small is predicted 0.90, stakes are low"),
        ("Take 0.7", "low", ROUTE, "route, since small is predicted 0.70, stakes are low"),
        ("Take 0.4", "low", CASCADED, "cascade, since small is predicted 0.40, stakes are low"),
        ("Take 0.9", "high", PANEL, "fan-out, since stakes are high (as stated)"),
        ("Should we approve the merger? 0.9", "low", PANEL, "fan-out, since stakes are high (critical_decision, cond"),
    ],
)
async def test_how_sure_and_how_grave(
    served: Served, text: str, stakes: str | None, wanted: list[list[str]], reason: str
) -> None:
    made = await plan(served, text, **({"stakes": stakes} if stakes else {}))
    assert stages(made) == wanted
    assert made["reason"].startswith(reason)


async def test_a_condition_on_metadata_raises_stakes(served: Served) -> None:
    made = await plan(served, "Take 0.9", team="legal")
    assert stages(made) == PANEL
    assert "condition 2" in made["reason"]


async def test_the_plan_carries_the_own_digest_and_what_was_predicted(served: Served) -> None:
    auto = served.service.routers["auto"]
    for text in ("Take 0.9", "Take 0.6", "Take 0.4"):
        made = await plan(served, text)
        assert made["router"] == auto.digest
        assert made["predicted"] == {"small": float(text.split()[-1]), "large": 1.0}


@pytest.mark.parametrize("stakes", ["enormous", "HIGH", ""])
async def test_stakes_that_are_none_are_refused_by_name(served: Served, stakes: str) -> None:
    async with served.client() as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "Take 0.9"}], metadata={"stakes": stakes}
            )
    assert refused.value.param == "metadata.stakes"
    assert "metadata.stakes: must be one of low, normal, high" in refused.value.message
    assert served.simulator.served.started == 0


async def test_without_a_cascade_one_member_answers_in_between(tmp_path: Path) -> None:
    (tmp_path / "sure.py").write_text(SURE)
    async with serving(tmp_path, AUTO + SERVER, parts=PARTS) as served:
        assert stages(await plan(served, "Take 0.7")) == ROUTE
        assert stages(await plan(served, "Take 0.4")) == PANEL


async def test_critical_decisions_have_high_stakes_by_default(tmp_path: Path) -> None:
    (tmp_path / "sure.py").write_text(SURE)
    tables = "".join(line for line in AUTO.splitlines(keepends=True) if not line.startswith("high"))
    async with serving(tmp_path, tables + SERVER, parts=PARTS) as served:
        assert stages(await plan(served, "Should we approve the merger? 0.9")) == PANEL
        assert stages(await plan(served, "Take 0.9", team="legal")) == ROUTE


async def test_a_model_may_be_the_router_and_is_not_asked_where_stakes_are_high(tmp_path: Path) -> None:
    tables = AUTO.replace('use = "./sure.py"', f'use = "llm"\nmodel = "judge"\n{DESCRIBED}')
    async with serving(tmp_path, tables + SERVER, parts=PARTS) as served:
        made = await plan(served, "Hi")
        assert made["reason"] == "route, since nothing is predicted of small: judge chose small"
        async with asyncio.TaskGroup() as group:
            for text in ("Hi", "Hello", "Hey there"):
                group.create_task(plan(served, text, stakes="high"))
        assert sum(one.model == "judge" for one in served.simulator.served) == 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("unsure = 0.5", "unsure = 0.9", "unsure: 0.9 is above confident, 0.8"),
        ('"balanced", "large"]', '"balanced", "huge"]', "panel.members.2"),
        ("tasks = [", "task = [", "high.0.task: unknown key; did you mean 'tasks'"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    (tmp_path / "sure.py").write_text(SURE)
    file = tmp_path / "ensemble.toml"
    file.write_text(PARTS.format(base_url="http://127.0.0.1:1/v1") + AUTO.replace(old, new))
    with pytest.raises(ConfigError, match=told):
        load(file)
