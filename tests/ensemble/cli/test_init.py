"""The starter configuration."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from ensemble.cli import main
from ensemble.config import load
from ensemble.doctor import advise
from ensemble.provider import PROVIDERS

START = datetime(2026, 12, 1, tzinfo=UTC)


def invoke(*args: str) -> tuple[int, str]:
    told = CliRunner().invoke(main, ["init", *args])
    return told.exit_code, told.stderr


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_starter_loads_and_leaves_nothing_to_advise(monkeypatch: pytest.MonkeyPatch) -> None:
    if "anthropic" not in PROVIDERS.names():
        pytest.skip("the provider 'anthropic' is not there yet")
    monkeypatch.setenv("OPENAI_API_KEY", "made-up")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "made-up")
    assert invoke()[0] == 0
    settings = load(Path("ensemble.toml"))
    assert set(settings.routers) == {"best", "cheap"}
    assert settings.members["local"].price[0].output == 0
    assert list(advise(settings, START)) == []
    house = settings.judges["house"]
    free, asked = [part.use for _, part in house.parts()], [str(name) for _, name in house.references()]
    assert (house.use, free[-2:], asked) == (
        "staged",
        ["pairwise", "pairwise"],
        ["claude-sonnet", "gpt", "claude-opus"],
    )


def test_without_the_keys_each_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    invoke()
    told = CliRunner().invoke(main, ["doctor"])
    assert told.exit_code == 3
    assert "[providers.openai] api_key_env: the environment variable OPENAI_API_KEY is not set" in told.stdout


def test_a_folder_gets_the_usual_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert invoke("sub")[0] == 0
    assert (tmp_path / "sub" / "ensemble.toml").is_file()


def test_a_dash_is_standard_output(tmp_path: Path) -> None:
    told = CliRunner().invoke(main, ["init", "-"])
    invoke()
    assert (told.exit_code, told.stdout, told.stderr) == (0, Path("ensemble.toml").read_text(), "")
    assert [path.name for path in tmp_path.iterdir()] == ["ensemble.toml"]


def test_nothing_is_overwritten_without_force() -> None:
    Path("mine.toml").write_text("mine")
    assert invoke("mine.toml") == (1, "Error: mine.toml is there already; --force overwrites it\n")
    assert Path("mine.toml").read_text() == "mine"
    assert invoke("mine.toml", "--force")[0] == 0
    assert "[routers.best]" in Path("mine.toml").read_text()


def test_a_place_that_cannot_be_written_is_a_sentence() -> None:
    assert invoke("no/such/folder/x.toml") == (
        1,
        "Error: no/such/folder/x.toml cannot be written: No such file or directory\n",
    )
