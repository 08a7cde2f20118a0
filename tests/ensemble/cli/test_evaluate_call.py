"""``ensemble evaluate --call``: a router that asks a model is measured by what the model says, over real HTTP."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ensemble.simulator import Simulator, SimulatorSettings
from ensemble.simulator.script import status
from tests.ensemble.cli.conftest import Run
from tests.ensemble.routers.test_llm import some

KEY = "sk-right-0123456789abcdef"
READER = """
[members.judge]
provider = "simulated"
model = "judge"
max_output_tokens = 200
max_attempts = 1
price = { input = 1, output = 2 }

[routers.reader]
use = "llm"
model = "judge"
default = "large"

[routers.reader.members]
small = "greetings, short and simple tasks"
large = "hard tasks: proofs, reasoning over many steps, critical decisions"
"""


@pytest.fixture
def labels(config: Path) -> Path:
    """Small is right on twelve easy requests and wrong on twelve hard ones, large is right on all; a reader asks."""
    config.write_text(config.read_text() + READER)
    path = config.parent / "labels.jsonl"
    rows: list[dict[str, Any]] = []
    for ease, (least, most) in ((1.0, (0, 0.12)), (0.0, (0.85, 1))):
        for task in some(12, least, most):
            models = {"small": {"score": ease, "nano_usd": 10}, "large": {"score": 1.0, "nano_usd": 100}}
            rows.append({"prompt": task.prompt, "models": models})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


async def test_the_model_is_asked_about_every_request_and_its_choice_is_measured(
    labels: Path, run: Run, simulator: Simulator
) -> None:
    told = await run("evaluate", "reader", "--data", str(labels), "--call", "--draws", "100", "--json")
    assert told.exit_code == 0, told.output
    asked = [one for one in simulator.served if one.model == "judge"]
    assert len(asked) == len(simulator.served) == 24, "and nobody else is called"
    tree = json.loads(told.stdout)
    line = tree["lines"][0]
    assert line["without_plan"] == 0
    assert line["accuracy"]["cheapest_best"]["value"]["point"] >= 0.9
    assert line["saved"]["point"] > 0.3
    assert tree["asked"]["nano_usd"] > 24 * 100_000, "some 350 tokens at 1 USD a million, each"
    assert tree["asked"] | {"nano_usd": 0} == {"nano_usd": 0, "unpriced": 0, "unanswered": {}}
    assert not (labels.parent / "ensemble.db").exists(), "none of it is logged"


async def test_the_cost_of_asking_is_told_and_what_was_not_answered(
    labels: Path, run: Run, simulator: Simulator
) -> None:
    simulator.script("judge", [status(500)] * 3)
    told = await run("evaluate", "reader", "--data", str(labels), "--call", "--draws", "100")
    assert told.exit_code == 0, told.output
    assert "\nreader: 3 of 24 calls failed (3 overloaded); there it did what it does" in told.stdout
    assert "Asking models cost $0.0" in told.stdout


def point(config: Path, there: str) -> None:
    text = config.read_text()
    address = next(line for line in text.splitlines() if line.startswith("base_url"))
    config.write_text(text.replace(address, f'base_url = "{there}"\napi_key_env = "SOME_KEY"'))


@pytest.mark.parametrize("given", [None, "sk-wrong-0123456789abcdef"])
async def test_a_reader_that_never_answers_is_not_measured_by_its_default(
    given: str | None, labels: Path, config: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a wrong key, and with nobody at the address."""
    async with Simulator(SimulatorSettings(api_key=KEY)) as locked:
        point(config, locked.base_url if given else "http://127.0.0.1:1/v1")
        monkeypatch.setenv("SOME_KEY", given or KEY)
        told = await run("evaluate", "reader", "--data", str(labels), "--call", "--draws", "100")
    assert told.exit_code == 1, told.output
    assert "router 'reader' got no answer from the model that it asks (" in told.stderr
    assert ("unauthorized" if given else "unreachable") in told.stderr
    assert os.environ["SOME_KEY"] not in told.output
    assert "quality" not in told.stdout
