"""``ensemble retrain``: a router folder trained anew, promoted, kept, canaried and rolled back."""

import asyncio
import json
from contextlib import chdir, suppress
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import click
import pytest
from click.testing import CliRunner

from ensemble.cli import main
from ensemble.config import load
from ensemble.retraining import Task, retrain, target_of
from ensemble.routers.split import Split
from tests.ensemble.cli.conftest import CONFIG, Run
from tests.ensemble.training.lessons import Failing, put_answers

ROUTER = '\n[routers.cheap]\nuse = "learned"\npath = "router"\n'
CASCADE = """
[judges.reads]
use = "learned"
path = "scorer"

[routers.steps]
use = "cascade"
tiers = [{ members = ["small"] }, { members = ["large"] }]
judge = "reads"
path = "scorer"
"""


def add(config: Path, tables: str) -> None:
    config.write_text(config.read_text() + tables)


def manifest_of(folder: str) -> Any:
    return json.loads(Path(folder, "manifest.json").read_text())


def model_in(folder: str) -> str:
    return str(manifest_of(folder)["model"])


def folders() -> list[str]:
    return sorted(path.name for path in Path().iterdir() if path.is_dir())


async def come(run: Run, *, number: int, start: int, fails: Failing) -> None:
    """Put labels into the log."""
    put_answers(Path("answers.jsonl"), number=number, start=start, fails=fails)
    told = await run("import", "answers.jsonl", "--format", "candidates", "--name", "gold")
    assert told.exit_code == 0, told.output


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a log in which ``small`` cannot do sums, and the router that was trained on it."""
    folder = tmp_path_factory.mktemp("taught")
    (folder / "ensemble.toml").write_text(CONFIG.format(base_url="http://127.0.0.1:1/v1"))
    with chdir(folder):
        put_answers(Path("answers.jsonl"), number=200, start=0, fails="at sums")
        for command in ("import answers.jsonl --format candidates --name gold", "train --out router --kind linear"):
            told = CliRunner().invoke(main, command.split())
            assert told.exit_code == 0, told.output
    return folder


@pytest.fixture
def trained(taught: Path, config: Path) -> None:
    """A copy of what was ``taught``, for a test alone."""
    copytree(taught, config.parent, dirs_exist_ok=True, ignore=ignore_patterns(config.name))
    add(config, ROUTER)


@pytest.mark.parametrize("after_s", [0.2, 0.4, 0.8])
async def test_an_interrupt_leaves_nothing_behind(trained: None, config: Path, run: Run, after_s: float) -> None:
    await come(run, number=240, start=200, fails="always")
    settings = load(config)
    task = Task(settings=settings, target=target_of(settings, "cheap"), data=settings.store.path)

    async def interrupted() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(retrain(task), after_s)

    await asyncio.to_thread(asyncio.run, interrupted())  # a loop of its own, which ends when its threads have ended
    assert "router.new" not in folders()


async def retrained(run: Run, *options: str, status: int = 0) -> Any:
    told = await run("retrain", "cheap", "--json", *options)
    assert told.exit_code == status, told.output
    return json.loads(told.stdout) if status in (0, 3) else told.output


async def test_a_better_one_takes_the_place_and_can_be_rolled_back(trained: None, run: Run) -> None:
    old = model_in("router")
    await come(run, number=240, start=200, fails="always")  # small has forgotten how to greet
    found = await retrained(run)
    assert found["decision"] == "promoted"
    assert found["match"]["gain"]["low"] > 0
    assert found["match"]["rows"] == 140  # half of what is new and of what training had held back
    assert found["match"]["quality"][0] == 0.5
    assert found["match"]["quality"][1] > 0.9
    assert (model_in("router.previous"), folders()) == (old, ["router", "router.previous"])
    new = model_in("router")
    assert new != old
    manifest = manifest_of("router")
    assert not {*manifest["trained_on"]} & {*manifest["compared_on"]}
    assert manifest["replaces"] == old

    assert (await retrained(run, "--rollback"))["decision"] == "rolled_back"
    assert (model_in("router"), model_in("router.previous")) == (old, new)
    assert (await run("retrain", "router", "--rollback")).exit_code == 0
    assert model_in("router") == new


async def test_one_that_is_no_better_is_status_3_and_leaves_nothing(trained: None, run: Run) -> None:
    old = model_in("router")
    await come(run, number=200, start=200, fails="at sums")
    told = await run("retrain", "cheap")
    assert told.exit_code == 3, told.output
    assert "router stays: the new one is not better" in told.stderr
    assert "Gain, as quality minus " in told.stdout
    assert (model_in("router"), folders()) == (old, ["router"])


async def test_without_fresh_labels_a_sentence_says_how_many_would_do(trained: None, run: Run) -> None:
    said = await retrained(run, status=1)
    assert "20 fresh requests" in said  # those that training held back to measure on, half of them
    assert "30 would do, so label about 20 more with the whole panel" in said
    assert "there is no router.previous" in await retrained(run, "--rollback", status=1)
    assert "there is no router.canary" in await retrained(run, "--promote", status=1)


async def test_a_canary_serves_its_share_until_it_is_promoted(trained: None, config: Path, run: Run) -> None:
    old = model_in("router")
    await come(run, number=240, start=200, fails="always")
    context = click.Context(main)
    command = main.get_command(context, "retrain")
    assert command is not None
    assert command.epilog == "Example: ensemble retrain cheap --canary 5%"
    assert (await retrained(run, "--canary", "5%"))["decision"] == "canary"
    assert (model_in("router"), folders()) == (old, ["router", "router.canary"])
    served = load(config).routers["cheap"]
    assert isinstance(served, Split)
    assert served.weights == {"served": 0.95, "canary": 0.05}
    assert "is being served: end it first" in await retrained(run, status=1)

    new = model_in("router.canary")
    found = await retrained(run, "--promote")
    assert (found["decision"], found["match"]) == ("promoted", None)  # no label has come since
    assert (model_in("router"), model_in("router.previous")) == (new, old)
    assert folders() == ["router", "router.previous"]
    assert not isinstance(load(config).routers["cheap"], Split)


async def test_a_canary_that_new_labels_find_worse_is_not_promoted(trained: None, run: Run) -> None:
    old = model_in("router")
    await come(run, number=240, start=200, fails="always")
    await retrained(run, "--canary", "0.5")
    await come(run, number=60, start=440, fails="at sums")  # small greets again
    found = await retrained(run, "--promote", status=3)
    assert found["decision"] == "canary_worse"
    assert found["match"]["rows"] == 60
    assert found["match"]["gain"]["high"] < 0
    assert (await retrained(run, "--rollback"))["decision"] == "canary_ended"
    assert (model_in("router"), folders()) == (old, ["router"])


async def test_a_scorer_is_retrained_with_the_judge_that_reads_it(config: Path, run: Run) -> None:
    await come(run, number=200, start=0, fails="at sums")
    members = ("--member", "small", "--member", "large")
    told = await run("train", "--out", "scorer", "--kind", "scorer", *members)
    assert told.exit_code == 0, told.output
    add(config, CASCADE)
    await come(run, number=240, start=200, fails="always")
    refused = await run("retrain", "steps", "--canary", "5%")
    assert refused.exit_code == 1
    assert "judges read it too" in refused.output
    old = model_in("scorer")
    told = await run("retrain", "steps", "--json")
    assert told.exit_code == 0, told.output
    match = json.loads(told.stdout)["match"]
    assert match["quality"][0] < 0.6
    assert match["quality"][1] > 0.9
    assert match["nano_usd"][1] > match["nano_usd"][0]
    assert match["lambda_per_usd"] == pytest.approx(0.01 / (0.5 * 20_000e-9), rel=0.2)
    assert model_in("scorer.previous") == old


TOPICS = """
[routers.topics]
use = "semantic"
default = "large"
domains.greetings = { examples = ["Hello there, say hi to everybody"], members = "small" }
domains.sums = { examples = ["Prove that 7 is prime", "compute 12 * 13"], members = "large" }

[routers.cheap]
use = "semantic"
path = "topical"
"""


async def topical(config: Path, run: Run) -> None:
    """A semantic router that was trained while small failed at sums; since then it fails at everything."""
    await come(run, number=200, start=0, fails="at sums")
    add(config, TOPICS.partition("[routers.cheap]")[0])
    told = await run("train", "--out", "topical", "--kind", "semantic", "--router", "topics")
    assert told.exit_code == 0, told.output
    add(config, "[routers.cheap]" + TOPICS.partition("[routers.cheap]")[2])
    await come(run, number=240, start=200, fails="always")


async def test_a_semantic_router_is_retrained_with_the_domains_that_it_was_trained_with(config: Path, run: Run) -> None:
    await topical(config, run)
    found = await retrained(run)
    assert found["decision"] == "promoted"
    assert set(manifest_of("topical")["domains"]) == {"greetings", "sums"}
    assert manifest_of("topical")["router"] == "topics"


def put_further_on(path: Path) -> None:
    """The same questions, each in a conversation that has begun before."""
    before = [{"role": "user", "content": "Good day."}, {"role": "assistant", "content": "Good day to you."}]
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["messages"] = [*before, {"role": "user", "content": row.pop("prompt")}]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


async def test_a_semantic_canary_is_not_compared_on_what_it_has_heard(config: Path, run: Run) -> None:
    """What the user said last is all that it reads, and learned from."""
    await topical(config, run)
    assert (await retrained(run, "--canary", "5%"))["decision"] == "canary"
    put_answers(Path("again.jsonl"), number=240, start=200, fails="at sums")
    put_further_on(Path("again.jsonl"))
    told = await run("import", "again.jsonl", "--format", "candidates", "--name", "again")
    assert told.exit_code == 0, told.output
    found = await retrained(run, "--promote")
    assert (found["decision"], found["match"]) == ("promoted", None)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("cheap", "--canary", "5%", "--promote"), "give one of"),
        (("cheap", "--canary", "500%"), "give a share of the requests"),
        (("best",), "reads no folder of `ensemble train`"),
        (("nowhere",), "there is no router, member or router folder 'nowhere'"),
    ],
)
async def test_what_is_meant_must_be_clear(config: Path, run: Run, options: tuple[str, ...], told: str) -> None:
    add(config, ROUTER)
    result = await run("retrain", *options)
    assert result.exit_code in (1, 2)
    assert told in result.output
