"""``ensemble label --engine ray`` on one node of Ray leaves what a local run leaves, through a kill of its driver."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ensemble.simulator import Simulator, SimulatorSettings
from ensemble.training.reading import examples_of
from scripts import _labels, _runs
from scripts._recorded import NANO
from scripts._runs import Question
from scripts.label_run import Options, run
from tests.ensemble.cli.conftest import CONFIG
from tests.patience import PATIENCE_S
from tests.services import redis_url

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.timeout(900)]
MODELS = ("amber", "birch")
PRICES = {"input": 0.1234567, "output": 4.0000005}
NODE = """
import sys, ray
context = ray.init(num_cpus=1, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
print(context.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def node() -> Iterator[None]:
    """One node of Ray, which runs join."""
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
            process.wait(PATIENCE_S)


def questions(number: int) -> list[Question]:
    return [
        Question(
            prompt=f"Question {at}: which number is {at * 7919 % 100_003}?",
            outputs={name: f"{name} says {at}. " * 5 for name in MODELS},
            preferences={name: ((at + rank) % 4) / 4 for rank, name in enumerate(MODELS)},
        )
        for at in range(number)
    ]


async def label(folder: Path, *more: str) -> tuple[int, Any]:
    """Exit status of ``ensemble label`` on Ray, and what it told; a process of its own, since Ray keeps its threads."""
    program = Path(sys.executable).with_name("ensemble")
    given = ["label", "prompts.jsonl", "--router", "best", "--engine", "ray", "--json", *more]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(program, *given, cwd=folder, stdout=pipe, stderr=pipe)
    out, errors = await process.communicate()
    assert process.returncode in (0, 3), errors.decode()
    return process.returncode, json.loads(out)


def prepare(folder: Path, simulator: Simulator, lines: Sequence[str], **provider: object) -> Path:
    """A folder with prompts and a configuration in which every member has a price."""
    folder.mkdir()
    options = "\n".join(f"{name} = {json.dumps(value)}" for name, value in provider.items())
    text = CONFIG.format(base_url=simulator.base_url).replace('use = "openai"', f'use = "openai"\n{options}')
    text = text.replace('model = "large"', 'model = "large"\nprice = { input = 3, output = 5 }')
    (folder / "ensemble.toml").write_text(text)
    (folder / "prompts.jsonl").write_text("\n".join(lines))
    return folder


def numbered(count: int) -> list[str]:
    return [json.dumps({"prompt": f"{n} x 3?"}) for n in range(count)]


@pytest.mark.usefixtures("node")
def test_labels_on_ray(tmp_path: Path) -> None:
    """One test, since a node of Ray takes ten seconds and a gigabyte, and tests of one module go to many workers.

    Each run on it costs as much again, for its processes import everything anew; so there are few.
    """
    killed_and_begun_again_its_labels_and_costs_are_those_of_a_local_run(tmp_path)
    asyncio.run(a_prompt_of_many_batches_is_asked_once_and_cap_and_limit_hold_over_all_labellers(tmp_path))


def killed_and_begun_again_its_labels_and_costs_are_those_of_a_local_run(folder: Path) -> None:
    _runs.write_recording(folder / "made.jsonl.gz", questions(200))
    listed = {name: PRICES for name in (*MODELS, "gpt-4-1106-preview")}
    (folder / "prices.json").write_text(json.dumps({"models": listed}), encoding="utf-8")
    logs = folder / "logs"
    report = asyncio.run(run(Options(data=folder / "made.jsonl.gz", folder=logs, kills=1, engine="ray")))
    assert report.broken == []
    assert len(report.promises) == 9
    # What it writes is what `ensemble train --data` reads.
    read = {one.label.request: one.label.best for one in examples_of(logs / "shards")}
    assert len(read) == 200
    assert read == {id_: frozenset(json.loads(best)) for _, id_, _, best in _labels.labelled(logs / "ray.db")}


async def a_prompt_of_many_batches_is_asked_once_and_cap_and_limit_hold_over_all_labellers(folder: Path) -> None:
    async with Simulator(SimulatorSettings(latency=0.1)) as simulator:
        rows = [json.dumps({"prompt": "Same?", "id": f"r{n}"}) for n in range(150)]
        place = prepare(folder / "limited", simulator, ["{no", *rows, *numbered(200)], max_in_flight=3)
        shared = f'[shared]\nurl = "{redis_url()}"\nprefix = "{folder.name}"\nreplicas = 2\ntimeout_s = 5\n'
        (place / "ensemble.toml").write_text((place / "ensemble.toml").read_text() + shared)
        code, found = await label(place, "--max-cost", "0.005")
        assert simulator.served.peak_in_flight == 3
    same = [served for served in simulator.served if "Same?" in json.dumps(served.body)]
    assert sorted(served.model for served in same) == ["large", "small"]
    assert code == 3
    # It ends where one more call does not fit.
    more = re.search(r"the next call may cost \$(\S+), which", found["stopped"])
    assert more
    assert Decimal(5_000_000) - Decimal(more[1]) * NANO < found["spent_nano_usd"] <= 5_000_000
    assert found["rejected"] == 1
    assert "the line is not JSON" in (place / "ensemble.db.rejects-prompts.jsonl").read_text()
