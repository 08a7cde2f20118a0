"""``ensemble evaluate``: routers of a configuration on a file of labels and on the log."""

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ensemble.cli.conftest import Run
from tests.patience import PATIENCE_S

LABEL = {
    "prompt": "What is 2 x 21?",
    "models": {
        "small": {"score": 1.0, "nano_usd": 10, "total_s": 1.0, "output": "42"},
        "large": {"score": 1.0, "nano_usd": 100, "total_s": 2.0, "output": "It is 42."},
    },
}


@pytest.fixture
def labels(config: Path) -> Path:
    """Sixty labels in the folder of the configuration: every third request needs large."""
    path = config.parent / "labels.jsonl"
    with path.open("w") as file:
        for row in range(60):
            models: Any = json.loads(json.dumps(LABEL["models"]))
            models["small"]["score"] = float(row % 3 > 0)
            tree = {"id": f"r{row}", "prompt": f"What is {row} x 21?", "models": models, "human": ["large"]}
            file.write(json.dumps(tree) + "\n")
    return path


def unprice(labels: Path, members: list[str]) -> None:
    rows = [json.loads(line) for line in labels.read_text().splitlines()]
    for row in rows:
        for name in members:
            del row["models"][name]["nano_usd"]
    labels.write_text("\n".join(map(json.dumps, rows)))


async def test_the_table_holds_routers_and_baselines(labels: Path, run: Run) -> None:
    told = await run("evaluate", "best", "small", "--data", str(labels), "--draws", "100")
    assert told.exit_code == 0, told.output
    for name in ("best*", "small*", "random", "cheapest", "best single", "length only", "oracle", "always large"):
        assert f"\n  {name} " in told.stdout
    small = next(line for line in told.stdout.splitlines() if line.startswith("  small*"))
    assert "0.667 [" in small  # the quality ratio, with its interval
    assert "0.900 [" in small  # beside what is saved
    assert "ties right, people" in told.stdout
    assert "asked for on 60 requests; its cost and time are in no figure" in told.stdout


@pytest.mark.parametrize(
    ("unpriced", "told"),
    [
        (["small", "large"], "Cheapest member: unknown, since no cost is. Best single member: large."),
        (["large"], "of requests, but the cost of large is unknown. Best single member: large."),
    ],
)
async def test_nobody_is_the_cheapest_whose_cost_nobody_knows(
    labels: Path, run: Run, unpriced: list[str], told: str
) -> None:
    unprice(labels, unpriced)
    found = await run("evaluate", "small", "--data", str(labels), "--draws", "100", "--html", "report.html", "--panels")
    assert found.exit_code == 0, found.output
    assert told in found.stdout
    assert "it is the mean of the others" in found.stdout
    page = " ".join((labels.parent / "report.html").read_text().split())
    assert ("Which member is the cheapest is unknown" in page) == (len(unpriced) == 2)
    assert ("but the cost of large is unknown; the best single member is large" in page) == (len(unpriced) == 1)


async def test_the_table_fits_a_terminal(labels: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("evaluate", "best", "small", "--data", str(labels), "--draws", "100")
    wide = (await run(*arguments)).stdout
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("FORCE_COLOR", "1")
    narrow = re.sub("\x1b\\[[0-9;]*m", "", (await run(*arguments)).stdout)
    assert max(map(len, wide.splitlines())) > 100 >= max(map(len, narrow.splitlines()))
    assert sorted(narrow.split()) == sorted(wide.split())  # nothing is cut


async def test_numbers_have_commas(config: Path, run: Run) -> None:
    lines = [json.dumps({**LABEL, "id": f"r{row}"}) for row in range(1100)]
    lines += [json.dumps({"id": f"x{row}", "prompt": "?", "models": {"small": {"score": 1.0}}}) for row in range(1050)]
    path = config.parent / "many.jsonl"
    path.write_text("\n".join(lines))
    told = (await run("evaluate", "small", "--data", str(path), "--draws", "100")).stdout
    assert "1,100 requests in" in told
    assert "1,050 left out, since a member was not judged" in told
    assert "n=1,100; always" in told


async def test_ctrl_c_does_not_wait_for_what_is_computed(config: Path) -> None:
    """A pipe that nobody writes to stands in for a thread that has much to do."""
    os.mkfifo(config.parent / "labels.jsonl")
    code = "from ensemble.cli import main; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, "evaluate", "small", "--data", "labels.jsonl", cwd=config.parent
    )
    with await asyncio.to_thread(
        (config.parent / "labels.jsonl").open, "wb"
    ):  # open once the command has begun to read
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == -signal.SIGINT


@pytest.fixture
def demanding(config: Path) -> None:
    """The configuration, where the router `best` has a `trust` table."""
    trust = '\n[routers.best.trust]\nmin_panel = 2\non_low = "refuse"\n'
    config.write_text(config.read_text() + trust)


@pytest.mark.usefixtures("demanding")
async def test_what_a_trust_table_would_change_is_told_to_be_in_no_figure(labels: Path, run: Run) -> None:
    told = await run("evaluate", "best", "small", "--data", str(labels), "--draws", "100")
    assert told.exit_code == 0, told.output
    assert told.stdout.count("its minima are not held") == 1
    told = await run("evaluate", "best", "small", "--data", str(labels), "--json", "--draws", "100")
    assert [line["trust"] for line in json.loads(told.stdout)["lines"][:2]] == [True, False]


async def test_json_has_every_figure(labels: Path, run: Run) -> None:
    told = await run("evaluate", "small", "--data", str(labels), "--json", "--panels", "--draws", "100")
    tree = json.loads(told.stdout)
    line = tree["lines"][0]
    assert line["accuracy"]["ties_right"]["value"]["point"] == pytest.approx(2 / 3, abs=1e-6)
    assert line["accuracy"]["ties_right"]["constant"] == "large"
    assert line["people"]["ties_right"]["value"]["point"] == 0.0
    assert line["saved"]["point"] == 0.9
    assert line["frontier"] is None
    assert tree["panels"]["smallest"]["members"] == ["large"]
    assert (tree["rows"], tree["people"]) == (60, 60)


@pytest.mark.parametrize(("floor", "status"), [("ratio=0.6", 0), ("ratio=0.99", 3), ("0.6", 0), ("saved=0.95", 3)])
async def test_a_router_below_the_floor_is_status_3(floor: str, status: int, labels: Path, run: Run) -> None:
    told = await run("evaluate", "small", "--data", str(labels), "--at-least", floor, "--draws", "100")
    assert told.exit_code == status, told.output
    assert ("below" in told.stderr) == (status == 3)


async def test_the_page_is_written_and_texts_stay_out_if_asked(labels: Path, run: Run) -> None:
    page = labels.parent / "report.html"
    told = await run(
        "evaluate", "small", "--data", str(labels), "--html", str(page), "--no-texts", "--draws", "100", "--json"
    )
    assert told.exit_code == 0
    assert "Worst misroutes" in page.read_text()
    assert "x 21?" not in page.read_text() + told.stdout


async def test_routers_are_measured_on_the_log(config: Path, run: Run) -> None:
    for number in range(3):
        assert (await run("ask", f"What is {number} x 21?", "--quiet")).exit_code == 0
    told = await run("evaluate", "best", "--draws", "100", "--off-policy", "snips")
    assert told.exit_code == 0, told.output
    assert "3 requests in 3 groups" in told.stdout
    assert "best, from routed traffic: it calls several members at once" in told.stdout


async def test_routed_traffic_tells_of_a_router_that_did_not_serve(config: Path, run: Run) -> None:
    """Small is right on two of three requests; a fair coin called one member each."""
    path = config.parent / "routed.jsonl"
    with path.open("w") as file:
        for row in range(240):
            name = ("small", "large")[row % 2]
            score = float(row % 3 > 0) if name == "small" else 1.0
            tree: Any = {"prompt": f"What is {row} x 21?", "models": {name: {"score": score}}, "complete": False}
            file.write(json.dumps(tree | {"propensities": {"small": 0.5, "large": 0.5}}) + "\n")
    told = await run("evaluate", "small", "--data", str(path), "--off-policy", "snips", "--json", "--draws", "100")
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)["off_policy"]["small"]
    assert found["value"]["point"] == pytest.approx(2 / 3, abs=1e-6)
    assert (found["effective"], found["observations"]) == (120.0, 120)
    text = await run("evaluate", "small", "--data", str(path), "--off-policy", "dr", "--draws", "100")
    assert "small, from routed traffic: quality 0.667 [" in text.stdout
    short = await run("evaluate", "small", "--data", str(path), "--draws", "100")
    assert (short.exit_code, "label with the whole panel" in short.stderr or "lack the quality" in short.stderr) == (
        1,
        True,
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("bst", "--data", "labels.jsonl"), "there is no router, member or router folder 'bst'; try best"),
        (("best", "--data", "labels.jsonl", "--member", "huge"), "huge"),
        (("best", "--data", "nothing.jsonl"), "nothing.jsonl"),
        (("best", "--data", "labels.jsonl", "--at-least", "speed=1"), "give FIGURE=NUMBER with a figure of accuracy"),
        ((), "name a router to measure, or give --panels"),
        ((".", "--data", "labels.jsonl"), "is no router folder"),
    ],
)
async def test_what_cannot_be_done_is_one_sentence(
    arguments: tuple[str, ...], told: str, labels: Path, run: Run
) -> None:
    found = await run("evaluate", *arguments)
    assert found.exit_code in (1, 2)
    assert told in found.stderr
    assert "Traceback" not in found.output


async def test_without_a_configuration_members_are_those_of_the_labels(labels: Path, run: Run) -> None:
    told = await run("evaluate", "small", "--config", "none.toml", "--data", str(labels), "--draws", "100")
    assert told.exit_code == 0, told.output


async def test_texts_of_a_file_do_not_steer_the_terminal(config: Path, run: Run) -> None:
    path = config.parent / "labels.jsonl"
    rows = [{"prompt": f"q{row}", "models": {"small": {"score": 1}, "\x1b[31mred": {"score": 0.5}}} for row in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = await run("evaluate", "small", "--data", str(path), "--draws", "100", "--panels")
    assert told.exit_code == 0, told.output
    assert "\x1b" not in told.output
