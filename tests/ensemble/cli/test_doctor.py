"""The doctor on the command line, before a simulated fleet."""

import json
from pathlib import Path

import pytest

from ensemble.simulator import Simulator, reply, status
from tests.ensemble.cli.conftest import Run


def rewrite(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


async def test_a_sound_configuration_is_listed_part_by_part(config: Path, run: Run) -> None:
    told = await run("doctor")
    assert told.exit_code == 0
    assert told.stdout.rstrip().endswith("Everything is in order.")
    rows = [line.split() for line in told.stdout.splitlines()]
    assert ["ok", "providers", "simulated", "openai", "ensemble.providers.openai"] in rows
    assert ["ok", "routers", "best", "parallel", "ensemble.routers.parallel"] in rows
    assert ["ok", "majority", "judges.aggregate.majority"] in rows
    assert "advice: [members.large] has no price" in told.stdout


async def test_a_broken_part_is_named_and_the_status_is_3(config: Path, run: Run) -> None:
    rewrite(config, '"longest"', '"longset"')
    told = await run("doctor", "--live")
    assert told.exit_code == 3
    assert ["broken", "judges", "house", "longset", "nowhere"] in [line.split() for line in told.stdout.splitlines()]
    assert "mend: ensemble.toml: [judges.house] use: there is no judge 'longset'; did you mean 'longest'" in told.stdout
    assert "No member was called" in told.stdout


async def test_live_calls_every_member_once(config: Path, run: Run, simulator: Simulator) -> None:
    rewrite(config, "max_attempts = 1\n", "")
    simulator.script("small", [reply("ready \x1b]0;evil\x07", model="small-\x1b[31m2026")])
    simulator.script("large", [status(500, message="broken \x1b[2J")])
    told = await run("doctor", "--live")
    assert told.exit_code == 3
    assert [served.model for served in simulator.served] in (["small", "large"], ["large", "small"])
    rows = {line.split()[1]: line for line in told.stdout.splitlines() if line.startswith(("  ok      ", "  failed"))}
    assert "answered as small-2026" in rows["small"]
    assert "$0.00" in rows["small"]
    assert rows["large"].startswith("  failed")
    assert "overloaded: status 500: broken" in rows["large"]
    assert "\x1b" not in told.stdout
    assert "1 of 2 members did not answer." in told.stdout
    assert not (config.parent / "ensemble.db").exists()


async def test_json_holds_the_same(config: Path, run: Run) -> None:
    report = json.loads((await run("doctor", "--live", "--json")).stdout)
    assert [trial["member"] for trial in report["trials"]] == ["small", "large"]
    assert [trial["nano_usd"] is None for trial in report["trials"]] == [False, True]
    assert report["problems"] == []
    assert len(report["digest"]) == 64


async def test_without_a_configuration_it_lists_what_there_is(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = await run("doctor")
    assert told.exit_code == 0
    assert "ensemble.routers.parallel" in told.stdout
    assert told.stderr == "There is no ensemble.toml; `ensemble init` writes one, --config names another.\n"


async def test_a_configuration_that_was_asked_for_must_be_there(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (await run("doctor", "--config", "other.toml")).exit_code == 3
    monkeypatch.setenv("ENSEMBLE_CONFIG", "other.toml")
    assert "mend: other.toml: there is no such file" in (await run("doctor")).stdout
