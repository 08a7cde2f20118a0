"""The whole way at a small size, over real HTTP: labels, training, every router served, scored by the truth."""

import asyncio
import math
import tomllib
from pathlib import Path

import pytest

from ensemble.config import load
from ensemble.showcase.drive import Options, Outcome, drive, simulator_of
from ensemble.showcase.score import winner
from ensemble.showcase.tables import KINDS, TIERS, TRAINED
from ensemble.showcase.told import HEAD, rows, sentences
from ensemble.showcase.traffic import Served, tasks

pytestmark = pytest.mark.timeout(300)

OPTIONS = Options(learn=110, score=40, seed=3, at_once=8, draws=50)
UNLEARNED = Options(learn=12, score=8, seed=4, at_once=4, draws=20, kinds=("rules", "learned"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, list[Served], list[str]]:
    """One run for all that look at it, since it takes half a minute: the outcome, what was served, what was told."""
    served, told = list[Served](), list[str]()

    async def run() -> Outcome:
        async with simulator_of(OPTIONS) as simulator:
            folder = tmp_path_factory.mktemp("showcase")
            outcome = await drive(OPTIONS, folder, simulator, told=told.append, on_served=served.append)
            assert simulator.served.started > OPTIONS.learn * 6, "answers and ratings came over HTTP"
        return outcome

    outcome = asyncio.run(run())
    return outcome, served, told


def test_every_kind_of_router_is_served_and_scored(made: tuple[Outcome, list[Served], list[str]]) -> None:
    outcome, served, told = made
    assert [line.router for line in outcome.lines] == list(KINDS)
    assert len(served) == len(KINDS) * OPTIONS.score
    assert outcome.labelled == OPTIONS.learn
    assert outcome.label_nano_usd > 0
    assert not outcome.left_out
    assert all(line.accuracy.keys() == {"ties_right", "informative", "cheapest_best"} for line in outcome.lines)
    assert sum("through" in line for line in told) == len(KINDS)
    assert set(KINDS) - set(TIERS) == set(load(outcome.config).routers)


def test_what_holds_at_any_size_holds(made: tuple[Outcome, list[Served], list[str]]) -> None:
    outcome, _, _ = made
    line = {one.router: one for one in outcome.lines}
    assert line["large"].cost_ratio.point == line["large"].quality_ratio.point == 1
    assert line["small"].cost_ratio.point < 0.05 < line["balanced"].cost_ratio.point < 0.4
    assert line["parallel"].cost_ratio.point > 1.2, "every call counts, those of the judge too"
    assert line["small"].quality.point < line["balanced"].quality.point < line["large"].quality.point
    assert line["rules"].cost_ratio.point < 0.9
    assert outcome.promises.greetings_small >= 0.95
    assert outcome.promises.critical_below <= 0.01
    assert outcome.promises.unswayed >= 0.99
    assert winner(outcome.lines).quality_ratio.point >= 0.99


def test_every_line_that_is_told_says_simulated(made: tuple[Outcome, list[Served], list[str]]) -> None:
    outcome, _, _ = made
    assert HEAD[0].startswith("simulated")
    assert all(len(row) == len(HEAD) for row in rows(outcome.lines))
    assert all(line.startswith("simulated") for line in sentences(outcome, OPTIONS))
    assert "nan" not in str(rows(outcome.lines))


async def test_too_few_labels_leave_out_what_is_learned(tmp_path: Path) -> None:
    async with simulator_of(UNLEARNED) as simulator:
        outcome = await drive(UNLEARNED, tmp_path, simulator)
        again = await drive(UNLEARNED, tmp_path, simulator)
    assert [line.router for line in outcome.lines] == [*TIERS, "rules"]
    assert "100 would do" in outcome.left_out["learned"]
    assert math.isnan(outcome.promises.unswayed)
    assert "learned is missing" in "\n".join(sentences(outcome, UNLEARNED))
    assert again.lines == outcome.lines, "equal seeds give equal figures"
    assert TRAINED[0] not in tomllib.loads(outcome.config.read_text())["routers"]


def test_tasks_are_different_texts_without_tools() -> None:
    found = tasks(300, 5)
    assert len({str(task.messages) for task in found}) == 300
    assert not any(task.tools for task in found)
    assert {"greeting", "critical", "dialogue"} < {task.kind for task in found}
