"""One evaluation from names to figures, with a router that was fitted on some of the labels."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ensemble.config import load
from ensemble.errors import InvalidRequest
from ensemble.evaluating import Task, routers_of, run
from ensemble.router import Context, Router
from ensemble.routers.auto import Auto
from ensemble.routers.llm import LlmRouter
from ensemble.routers.single import Single
from ensemble.training.evaluate import TooFewLabels
from ensemble.training.table import hashed
from ensemble.training.train import Order, train
from ensemble.types import Plan, Request, Stage
from tests.ensemble.training.lessons import a_lesson

_FLEET = """
[providers.local]
use = "openai"
base_url = "http://127.0.0.1:9/v1"
[members]
small = { provider = "local", model = "small" }
large = { provider = "local", model = "large" }
[judges.same]
use = "agreement"
[judges.score]
use = "learned"
path = "scorer"
"""
SCORED = {
    "path": f"""{_FLEET}
[routers.frugal]
use = "cascade"
judge = "same"
path = "scorer"
tiers = ["small", "large"]
""",
    "judge": f"""{_FLEET}
[routers.frugal]
use = "cascade"
judge = "score"
tiers = [{{ members = ["small"], accept_score = 0.5 }}, "large"]
""",
}


class Fitted(Router):
    """A router of a test, with a folder of its own."""

    use = "fitted"
    path: Path

    async def plan(self, request: Request, context: Context) -> Plan:
        assert {"small", "large"} <= set(context.fleet)
        return Plan(router=self.digest, stages=(Stage(members=("small",)),))

    def trained_on(self) -> frozenset[str]:
        return frozenset(json.loads((self.path / "manifest.json").read_text())["trained_on"])


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.jsonl"
    rows = [
        {"id": f"r{row}", "prompt": f"question {row}", "models": {"small": {"score": row % 2}, "large": {"score": 1}}}
        for row in range(10)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def fitted(folder: Path, *seen: str) -> Fitted:
    (folder / "manifest.json").write_text(json.dumps({"trained_on": seen}))
    return Fitted(path=folder)


async def test_a_router_is_not_measured_on_what_it_was_fitted_on(labels: Path, tmp_path: Path) -> None:
    found = await run(Task(data=labels, routers={"it": fitted(tmp_path, "r1", "r3", "r5", "r7", "r9")}, draws=100))
    assert found.report is not None
    assert (found.report.rows, found.report.seen) == (5, 5)
    assert found.report.routers[0].quality.point == 0.0
    with pytest.raises(TooFewLabels, match="10 were used to fit a router"):
        await run(Task(data=labels, routers={"it": fitted(tmp_path, *[f"r{row}" for row in range(10)])}))


@pytest.mark.parametrize("by", ["path", "judge"])
async def test_a_cascade_is_not_measured_on_what_its_scorer_was_fitted_on(by: str, tmp_path: Path) -> None:
    """Be it that it takes its threshold from the scorer's folder, or states its own beside a judge that reads there."""
    scorer = tmp_path / "scorer"
    lesson = a_lesson()
    train(
        replace(lesson, outputs=(("Sure.", "Done."),) * len(lesson)),
        Order(out=scorer, kind="scorer", members=("small", "large")),
    )
    rows = [
        {"id": f"a{row}", "prompt": text, "models": {"small": {"score": row % 2}, "large": {"score": 1}}}
        for row, text in enumerate([*lesson.texts, *(f"Who has seen number {fresh}?" for fresh in range(20))])
    ]
    labels = tmp_path / "labels.jsonl"
    labels.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = tmp_path / "ensemble.toml"
    config.write_text(SCORED[by])
    settings = load(config, secrets=False)
    found = await run(Task(data=labels, settings=settings, routers=routers_of(("frugal",), settings), draws=100))
    assert found.report is not None
    learned = {*json.loads((scorer / "manifest.json").read_text())["trained_on"]}
    seen = sum(hashed(str(row["prompt"])) in learned for row in rows)
    assert seen > 200
    assert (found.report.seen, found.report.rows) == (seen, len(rows) - seen)


async def test_every_router_is_measured_on_the_same_rows(labels: Path, tmp_path: Path) -> None:
    routers = {"it": fitted(tmp_path, "r1"), "small": Single.model_validate({"member": "small"})}
    found = await run(Task(data=labels, routers=routers, draws=100))
    assert found.report is not None
    assert [line.rows for line in found.report.routers] == [9, 9]


def test_a_folder_without_a_router_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="is no router folder"):
        routers_of((str(tmp_path),), None)
    (tmp_path / "manifest.json").write_text('{"use": "no-such-router"}')
    with pytest.raises(InvalidRequest):
        routers_of((str(tmp_path),), None)


@pytest.mark.parametrize("nested", [False, True])
async def test_a_router_that_asks_a_model_is_not_measured_without_one(labels: Path, nested: bool) -> None:
    """Else its default would pass for its choice."""
    members = {"small": "easy", "large": "hard"}
    router: Router = LlmRouter.model_validate({"model": "reader", "members": members, "default": "large"})
    if nested:
        router = Auto(router=router, panel=Single(member="large"))  # type: ignore[arg-type] # a name
    with pytest.raises(InvalidRequest, match="router 'it' asks reader: add --call"):
        await run(Task(data=labels, routers={"it": router}))
