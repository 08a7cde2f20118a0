"""``ensemble label --engine ray`` on one node of Ray leaves what a local run leaves, through a kill of its driver."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ensemble.simulator import Simulator
from ensemble.training.reading import examples_of
from scripts import _labels, _runs
from scripts._runs import Question
from scripts.label_run import Options, run
from tests.ensemble.cli.conftest import config as config
from tests.ensemble.cli.conftest import simulator as simulator

__all__ = ["config", "simulator"]

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(240)]
MODELS = ("amber", "birch")
PRICES = {"input": 0.1234567, "output": 4.0000005}
NODE = """
import sys, ray
context = ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
print(context.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module", autouse=True)
def node() -> Iterator[None]:
    """One node of Ray, which the runs of this module join; it takes ten seconds and a gigabyte, so there is one."""
    with pytest.MonkeyPatch.context() as patch, a_node() as address:
        patch.setenv("RAY_ADDRESS", address)
        patch.setenv("RAY_AUTH_MODE", "token")  # a node of 2.60 demands the token that it has made
        yield


@contextmanager
def a_node() -> Iterator[str]:
    if find_spec("ray") is None:
        pytest.skip("the extra ray is not installed")
    command = [sys.executable, "-c", NODE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(30)


def questions(number: int) -> list[Question]:
    return [
        Question(
            prompt=f"Question {at}: which number is {at * 7919 % 100_003}?",
            outputs={name: f"{name} says {at}. " * 5 for name in MODELS},
            preferences={name: ((at + rank) % 4) / 4 for rank, name in enumerate(MODELS)},
        )
        for at in range(number)
    ]


async def label(config: Path, *more: str) -> tuple[int, Any]:
    """Exit status of ``ensemble label`` on Ray, and what it told; a process of its own, since Ray keeps its threads."""
    program = Path(sys.executable).with_name("ensemble")
    given = ["label", "prompts.jsonl", "--router", "best", "--engine", "ray", "--json", *more]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(program, *given, cwd=config.parent, stdout=pipe, stderr=pipe)
    out, errors = await process.communicate()
    assert process.returncode in (0, 3), errors.decode()
    return process.returncode, json.loads(out)


def test_killed_and_begun_again_its_labels_and_costs_are_those_of_a_local_run(tmp_path: Path) -> None:
    _runs.write_recording(tmp_path / "made.jsonl.gz", questions(400))
    listed = {name: PRICES for name in (*MODELS, "gpt-4-1106-preview")}
    (tmp_path / "prices.json").write_text(json.dumps({"models": listed}), encoding="utf-8")
    logs = tmp_path / "logs"
    report = asyncio.run(run(Options(data=tmp_path / "made.jsonl.gz", folder=logs, kills=1, engine="ray")))
    assert report.broken == []
    assert len(report.promises) == 9
    # What it writes is what `ensemble train --data` reads.
    read = {one.label.request: one.label.best for one in examples_of(logs / "shards")}
    assert len(read) == 400
    assert read == {id_: frozenset(json.loads(best)) for _, id_, _, best in _labels.labelled(logs / "ray.db")}


async def test_one_prompt_in_many_batches_is_asked_once_and_bad_rows_are_rejects(
    config: Path, simulator: Simulator
) -> None:
    rows = [json.dumps({"prompt": "Same?", "id": f"r{n}"}) for n in range(150)]
    (config.parent / "prompts.jsonl").write_text("\n".join([*rows, "{no"]))
    code, found = await label(config)
    assert code == 0
    assert (found["rows"], found["rejected"], found["labelled"], found["calls"]) == (151, 1, 1, {"candidate": 2})
    assert len(simulator.served) == 2
    assert "the line is not JSON" in (config.parent / "ensemble.db.rejects-prompts.jsonl").read_text()


@pytest.fixture
def priced(config: Path) -> Path:
    """A configuration without members of unknown price, and prompts beside it."""
    text = config.read_text().replace('model = "large"', 'model = "large"\nprice = { input = 3, output = 5 }')
    config.write_text(text)
    (config.parent / "prompts.jsonl").write_text("\n".join(json.dumps({"prompt": f"{n} x 3?"}) for n in range(200)))
    return config


async def test_a_cap_holds_over_all_labellers(priced: Path) -> None:
    code, found = await label(priced, "--max-cost", "0.01")
    assert code == 3
    assert 9_000_000 < found["spent_nano_usd"] <= 10_000_000
