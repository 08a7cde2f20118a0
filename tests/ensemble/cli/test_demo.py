"""The main job, shown without any key."""

import re
import shlex
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ensemble.cli import main
from ensemble.config import load
from ensemble.doctor import examine

FIGURE = re.compile(r"\$\d|\d\.\d\d s")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """One run for every test that only looks at it: a run takes seconds."""
    folder = tmp_path_factory.mktemp("demo") / "shown"
    return CliRunner().invoke(main, ["demo", "--dir", str(folder), "--questions", "3", "--port", "0"]), folder


def test_it_shows_candidates_verdicts_answers_and_costs(shown: tuple[Result, Path]) -> None:
    told, _ = shown
    assert told.exit_code == 0, told.output
    assert told.stdout.splitlines()[0] == "Everything here is simulated: models, answers, prices and latencies."
    for what, times in {"Question ": 3, "✓ simulated-": 9, "Verdict of simulated-house: ": 3, "Answer of ": 3}.items():
        assert told.stdout.count(f"\n{what}") == times, what
    assert re.search(r"the judge's choice +\d right +simulated cost \$0\.\d+ with judge", told.stdout)


def test_every_figure_is_called_simulated(shown: tuple[Result, Path]) -> None:
    told, _ = shown
    figures = [line for line in told.stdout.splitlines() if FIGURE.search(line)]
    assert len(figures) > 15
    assert all("simulated" in line.lower() for line in figures)


def test_the_rows_are_where_it_says(shown: tuple[Result, Path]) -> None:
    told, folder = shown
    counted = re.search(r"^  (\d+ requests, .*)$", told.stdout, re.MULTILINE)
    assert counted is not None
    with closing(sqlite3.connect(folder / "ensemble.db")) as db:
        for part in counted[1].split(", "):
            count, table = part.split()
            assert db.execute(f"select count(*) from {table}").fetchone() == (int(count),), table  # noqa: S608
        assert db.execute("select count(*) from requests").fetchone() == (3,)


async def test_what_it_leaves_behind_is_a_sound_configuration(shown: tuple[Result, Path]) -> None:
    _, folder = shown
    report = await examine(folder / "ensemble.toml")
    assert (report.problems, report.advice) == ((), ())
    assert set(load(folder / "ensemble.toml").routers) == {"best"}


def test_the_next_commands_exist(shown: tuple[Result, Path]) -> None:
    told, folder = shown
    steps = [shlex.split(line) for line in told.stdout.partition("\nNext\n")[2].splitlines() if "#" not in line]
    ours = [step[1:] for step in steps if step[0] != "datasette"]
    assert [step[0] for step in ours] == ["simulate", "ask", "serve", "init"]
    for name, *_ in ours:
        assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0
    assert ours[1][-1] == str(folder / "ensemble.toml")


def test_a_configuration_of_the_user_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "ensemble.toml"
    mine.write_text("# mine\n")
    told = CliRunner().invoke(main, ["demo", "--dir", str(tmp_path), "--port", "0"])
    assert told.exit_code == 1
    assert told.stderr == f"Error: {mine} is not of the demo: name another folder with --dir\n"
    assert mine.read_text() == "# mine\n"


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = CliRunner().invoke(main, ["demo", "--dir", str(tmp_path / "file" / "sub"), "--port", "0"])
    assert told.exit_code == 1
    assert told.stderr.startswith(f"Error: {tmp_path / 'file' / 'sub' / 'ensemble.toml'} cannot be written (")
    assert told.stderr.endswith("): name another folder with --dir\n")


def test_another_program_at_its_port_is_no_obstacle(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        told = CliRunner().invoke(main, ["demo", "--dir", str(tmp_path), "--questions", "1", "--port", taken])
    assert told.exit_code == 0, told.output
    base_url = load(tmp_path / "ensemble.toml").providers["simulated-openai"].model_dump()["base_url"]
    port = base_url.rpartition(":")[2].removesuffix("/v1")
    assert port != taken
    assert f"simulate --port {port}\n" in told.stdout
