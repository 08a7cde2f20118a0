"""The command line as a whole: what it lists, what it loads, how it fails."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ensemble.cli import Commands, main
from tests.patience import PATIENCE_S

NAMES = main.list_commands(click.Context(main))


def python(code: str, path: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=PATIENCE_S, env=env
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_that_ends_with_an_example(name: str) -> None:
    told = CliRunner().invoke(main, [name, "--help"])
    assert told.exit_code == 0
    assert told.output.rstrip().splitlines()[-1].strip().startswith(f"Example: ensemble {name}")


def test_listing_the_commands_loads_none_of_them() -> None:
    """That is what keeps ``ensemble --help`` under 0.3 s; an import is a surer measure than a clock."""
    heavy = [
        "pydantic",
        "rich",
        "aiohttp",
        "openai",
        "anthropic",
        "sqlite_utils",
        "ensemble.service",
        "ensemble.config",
    ]
    told = python(
        "import sys\nfrom ensemble.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    assert told.stderr == "[]\n"
    assert all(f"  {name} " in told.stdout for name in NAMES)


def test_a_summary_is_the_first_sentence_of_the_file() -> None:
    assert "init  " in (told := CliRunner().invoke(main, ["--help"]).output)
    assert "Write a commented configuration to start from." in told


def test_a_misspelt_command_gets_the_nearest_name() -> None:
    told = CliRunner().invoke(main, ["aks", "why?"])
    assert told.exit_code == 2
    assert "Did you mean 'ask'?" in told.output


def test_a_wrong_option_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["doctor", "--lively"]).exit_code == 2


def test_a_bad_configuration_is_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "ensemble.toml"
    path.write_text("[membres.x]\n")
    told = CliRunner().invoke(main, ["ask", "why?", "--config", str(path)])
    assert told.exit_code == 1
    assert told.stdout == ""
    assert told.stderr.startswith(f"Error: {path}: [membres] unknown table; did you mean 'members'?\n")


def test_ctrl_c_ends_with_130_and_without_a_traceback() -> None:
    told = python(
        "import click\nfrom ensemble.cli import Commands\n"
        "def stop(): raise KeyboardInterrupt\n"
        "class One(Commands):\n"
        "    def get_command(self, ctx, name): return click.Command('stop', callback=stop)\n"
        "    def list_commands(self, ctx): return ['stop']\n"
        "One()(['stop'])\n"
    )
    assert (told.returncode, told.stderr) == (130, "")


def test_ctrl_c_while_a_command_is_loaded_ends_it_likewise() -> None:
    told = python(
        "from ensemble import cli, identity\n"
        "def stop(): raise KeyboardInterrupt\n"
        "identity.check = stop\n"
        "cli.main(['doctor'])\n"
    )
    assert (told.returncode, told.stderr) == (130, "")


def test_a_stranger_among_the_installed_packages_stops_every_command(tmp_path: Path) -> None:
    """PyPI has a distribution ``judges`` with our import name."""
    other = tmp_path / "judges-1.0.dist-info"
    other.mkdir()
    (other / "RECORD").write_text("judges/__init__.py,,\n")
    told = python(
        f"import sys\nsys.path.append({str(tmp_path)!r})\nfrom ensemble.cli import main\nmain(['doctor'])",
    )
    assert told.returncode == 1
    assert "judges" in told.stderr
    assert "uninstall" in told.stderr
    assert "Traceback" not in told.stderr


def test_names_with_a_dash_are_files_with_an_underscore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "two_words.py").write_text('"""Say two words."""\n')
    (tmp_path / "_helper.py").write_text("")
    monkeypatch.setattr("ensemble.cli.HOME", tmp_path)
    group = Commands("x")
    assert group.list_commands(click.Context(group)) == ["two-words"]
    assert "two-words  Say two words." in group.get_help(click.Context(group))


def test_a_file_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    out = tmp_path / "none" / "tasks.jsonl"
    told = CliRunner().invoke(main, ["simulate", "--tasks", "2", "--out", str(out)])
    assert (told.exit_code, told.stderr) == (1, f"Error: {out}: No such file or directory\n")
