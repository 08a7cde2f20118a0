"""Judges examined on the command line, over the simulated fleet."""

import hashlib
import json
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from ensemble.cli import main
from ensemble.cli.judges import SUBCOMMANDS
from tests.ensemble.cli.conftest import Run
from tests.ensemble.judging.fleet import write_labels


def taken(path: Path) -> str:
    return path.read_text()


def is_there(path: Path) -> bool:
    return path.exists()


def put(path: Path, text: str) -> None:
    path.write_text(text)


def remove(path: Path) -> None:
    path.unlink()


def flags(log: Path) -> list[str]:
    """What the verdict of a panel was flagged with last."""
    with closing(sqlite3.connect(log)) as db:
        (found,) = db.execute("SELECT flags FROM verdicts WHERE parent IS NULL ORDER BY id DESC").fetchone()
    told: list[str] = json.loads(found)
    return told


def example(name: str) -> list[str]:
    """The arguments of the example that ends the help of a subcommand."""
    told = CliRunner().invoke(main, ["judges", name, "--help"])
    assert told.exit_code == 0
    last = " ".join(told.output[told.output.rindex("Example: ") :].split())
    assert last.startswith(f"Example: ensemble judges {name}")
    return shlex.split(last.removeprefix("Example: ensemble "))


def test_the_summary_is_what_the_subcommand_says() -> None:
    listed = CliRunner().invoke(main, ["judges", "--help"]).output
    for name in SUBCOMMANDS:
        assert f"  {name} " in listed
    told = CliRunner().invoke(main, ["judges", "reprot"])
    assert told.exit_code == 2


async def test_report_prints_shares_with_intervals(config: Path, run: Run) -> None:
    for question in ("What is 2 + 2?", "What is 7 * 6?"):
        assert (await run("ask", question)).exit_code == 0
    told = await run(*example("report"))
    assert told.exit_code == 0, told.output
    assert "house  2 verdicts, digest " in told.stdout
    rows = {line[:29].strip(): line[29:].split() for line in told.stdout.splitlines() if line.startswith("  ")}
    assert rows["picks the longer"][:1] == ["1.000"]
    assert rows["picks the longer"][-1] == "n=2"
    assert rows["accuracy"] == ["-"]
    assert rows["cost per verdict"][0] == "$0.00"
    assert "\x1b" not in told.stdout


async def test_report_as_json(config: Path, run: Run) -> None:
    await run("ask", "What is 2 + 2?")
    told = json.loads((await run("judges", "report", "--json")).stdout)
    (house,) = told["judges"]
    assert (house["judge"], house["seat"], house["verdicts"]) == ("house", "", 1)
    assert house["rates"]["accuracy"] == {"value": None, "low": None, "high": None, "n": 0}
    assert house["cost"] == {"nano_usd": 0, "unpriced": 0}


async def test_report_of_another_log_needs_no_configuration(config: Path, run: Run) -> None:
    await run("ask", "What is 2 + 2?")
    remove(config)
    log = config.with_name("ensemble.db")
    assert "house  1 verdict," in (await run("judges", "report", "--db", str(log))).stdout
    told = await run("judges", "report")
    assert told.exit_code == 1
    assert "there is no such file" in told.stderr


async def test_report_on_nothing_says_so(config: Path, run: Run) -> None:
    told = await run("judges", "report")
    assert told.exit_code == 1
    assert told.stderr.startswith("Error: ensemble.db: there is no log; see what the command line names")
    await run("ask", "What is 2 + 2?")
    told = await run("judges", "report", "--judge", "jury")
    assert (told.exit_code, told.stdout) == (0, "")
    assert "holds no verdict of 'jury'" in told.stderr


@pytest.fixture
def labels(config: Path) -> Path:
    """Enough labelled cases for a calibration, and a judge that asks a model."""
    with config.open("a") as file:
        file.write(
            '[members.critic]\nprovider = "simulated"\nmodel = "judge"\nprice = { input = 2, output = 8 }\n'
            '[judges.fair]\nuse = "pairwise"\nmodel = "critic"\ncalibration = "calibration.json"\n'
        )
    return write_labels(config.with_name("labels.jsonl"), 60)


async def test_test_scores_judges_on_labels(labels: Path, run: Run) -> None:
    told = await run("judges", "test", "--labels", str(labels), "--judge", "house", "--one-order")
    assert told.exit_code == 0, told.output
    assert "house  60 cases, digest" in told.stdout
    assert "agreement" not in told.stdout
    assert told.stderr == ""


async def test_test_ends_with_3_where_a_judge_is_not_good_enough(labels: Path, run: Run) -> None:
    put(labels.with_name("calibration.json"), '{"version": 1, "judges": {}}')
    told = await run(*example("test"))
    assert told.exit_code == 3, told.output
    assert told.stderr == "house is right in less than 0.6 of the cases.\n"
    rows = {line[:29].strip(): line[29:].split() for line in told.stdout.partition("fair")[2].splitlines()}
    assert rows["accuracy"] == ["1.000", "[0.940,", "1.000]", "n=120"]
    assert rows["same finding in both orders"][-1] == "n=60"
    assert rows["cost in all"][0].startswith("$0.1")
    assert "house and fair, kappa" in told.stdout
    assert (await run(*example("test"), "--judge", "fair", "--json")).exit_code == 0


async def test_test_as_json(labels: Path, run: Run) -> None:
    told = await run("judges", "test", "--labels", str(labels), "--judge", "house", "--json")
    (house,) = json.loads(told.stdout)["judges"]
    assert (house["judge"], house["cases"], house["rates"]["null"]["value"]) == ("house", 60, 0.0)
    assert house["cost"] == {"nano_usd": 0, "unpriced": 0}


async def test_bad_labels_are_told_by_line(labels: Path, run: Run) -> None:
    put(labels, '{"prompt": "x\\u001b[2J", "candidates": ["a", "b"], "best": "\\u001b[2Jc"}\n')
    told = await run("judges", "test", "--labels", str(labels), "--judge", "house")
    assert told.exit_code == 1
    assert told.stdout == ""
    assert f"Error: {labels}, line 1: best: there is no candidate" in told.stderr
    assert "\x1b" not in told.stderr


async def test_an_unknown_judge_is_wrong_usage(labels: Path, run: Run) -> None:
    told = await run("judges", "test", "--labels", str(labels), "--judge", "huose")
    assert told.exit_code == 2
    assert "there is no judge 'huose'; did you mean 'house'?" in " ".join(told.stderr.split())


async def test_calibrate_writes_a_file_that_the_configuration_names(labels: Path, run: Run) -> None:
    told = await run(*example("calibrate"), "--judge", "fair")
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith("fair  60 labelled verdicts, digest ")
    assert "before, " in told.stdout
    assert told.stderr == "calibration.json is written: name it as calibration in [judges.NAME].\n"
    held = json.loads(taken(labels.with_name("calibration.json")))
    assert held["made"]["labels"] == hashlib.sha256(taken(labels).encode()).hexdigest()
    ((digest, fitted),) = held["judges"].items()
    assert (fitted["name"], fitted["n"], fitted["right"]) == ("fair", 60, 60.0)
    tested = json.loads((await run("judges", "test", "--labels", str(labels), "--judge", "fair", "--json")).stdout)
    assert tested["judges"][0]["digest"] == digest
    doctor = json.loads((await run("doctor", "--json")).stdout)
    assert doctor["problems"] == []
    assert not [advice for advice in doctor["advice"] if "calibration" in advice]


async def test_calibrate_refuses_too_few_labels(labels: Path, run: Run) -> None:
    put(labels, "".join(taken(labels).splitlines(keepends=True)[:20]))
    told = await run("judges", "calibrate", "--labels", str(labels), "--out", "calibration.json", "--judge", "fair")
    assert told.exit_code == 1
    assert "fair: 20 labelled verdicts are too few for a calibration; 30 more, 50 in all, would do" in told.stderr
    assert not is_there(labels.with_name("calibration.json"))


async def test_calibrate_from_a_log_without_labels_says_so(labels: Path, run: Run) -> None:
    put(labels.with_name("calibration.json"), '{"version": 1, "judges": {}}')
    assert (await run("ask", "What is 2 + 2?")).exit_code == 0
    told = await run("judges", "calibrate", "--from-log", "--out", "calibration.json", "--judge", "house")
    assert told.exit_code == 1
    assert "house: no labelled verdict that names a winner; 50 would do" in told.stderr
    assert (await run("judges", "calibrate", "--out", "calibration.json")).exit_code == 2


async def test_a_history_from_the_log_makes_a_jury_by_dawid_skene(labels: Path, run: Run) -> None:
    """A jury votes by majority, the log becomes its history, and the same seats go on under ``dawid_skene``."""
    put(labels.with_name("calibration.json"), '{"version": 1, "judges": {}}')
    config = labels.with_name("ensemble.toml")
    seats = 'seats = ["longest", "consensus", { use = "pairwise", model = "critic" }]'
    before = taken(config).replace('judge = "house"', 'judge = "panel"')
    put(config, f'{before}[judges.panel]\nuse = "jury"\n{seats}\n')
    told = await run("judges", "history", "--out", "history.jsonl")
    assert told.exit_code == 1
    for at in range(4):
        assert (await run("ask", f"What is {at} + 17?")).exit_code == 0
    told = await run("judges", "history", "--judge", "panel", "--out", "history.jsonl")
    assert told.exit_code == 0, told.output
    assert "panel.seats.2" in told.stdout
    assert "name it as history_file" in told.stderr
    held = [json.loads(line) for line in taken(labels.with_name("history.jsonl")).splitlines()]
    assert held
    assert all(len(row["ballots"]) > 1 and set(row) == {"candidates", "ballots", "best"} for row in held)
    cases = ["judges", "calibrate", "--labels", str(labels), "--judge", "panel", "--out", "seats.json"]
    assert (await run(*cases)).exit_code == 0
    aggregate = '{ use = "dawid_skene", history_file = "history.jsonl", calibration = "seats.json" }'
    put(config, f'{before}[judges.panel]\nuse = "jury"\naggregate = {aggregate}\n{seats}\n')
    assert json.loads((await run("doctor", "--json")).stdout)["problems"] == []
    assert (await run("ask", "What is 40 + 2?")).exit_code == 0
    assert any(flag.startswith("effective_votes:") for flag in flags(labels.with_name("ensemble.db")))
