"""The README cannot lie: its commands and programs are run in order, as they stand, against the simulated fleet."""

import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ensemble
from ensemble.config import load
from ensemble.doctor import examine
from ensemble.simulator import Simulator, SimulatorSettings, reply
from judges import JUDGES
from judges.testing import a_case, check_judge

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
BRIEF = next(code for language, code in BLOCKS if code.startswith("# brief.py"))
SMALL = next(code for language, code in BLOCKS if code.startswith("# small.toml"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_every_block_says_what_it_is() -> None:
    assert {language for language, _ in BLOCKS} <= {"sh", "python", "toml", "json", "text"}
    assert TEXT.count("```") % 2 == 0


def test_every_block_of_data_can_be_read() -> None:
    for language, code in BLOCKS:
        if language in ("toml", "json"):
            assert tomllib.loads(code) if language == "toml" else json.loads(code)


@pytest.mark.timeout(600)
def test_the_commands_and_programs_run_in_order(tmp_path: Path) -> None:
    """One shell goes through all of them, as a reader would; the ports are free ones, so that nothing is in the way."""
    fleet, served = free_port(), free_port()
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    lines = [
        "set -euo pipefail",
        # Whatever was started in the background ends with the shell.
        "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT",
    ]
    for number, (language, code) in enumerate(BLOCKS):
        if language == "sh":
            lines += [f'echo "@@{number}"', code.replace("scripts/", f"{ROOT}/scripts/")]
        elif language == "python" and code is not BRIEF:
            (tmp_path / f"program{number}.py").write_text(code.replace(":8000", f":{served}"), encoding="utf-8")
            lines += [f'echo "@@{number}"', f"python program{number}.py"]
    script = "\n".join(lines).replace("8901", str(fleet)).replace("8000", str(served))
    # The demo writes the fleet's port into the file that the later commands read.
    script = script.replace("--dir tour", f"--dir tour --port {fleet}")
    bin_folder = Path(sys.executable).parent
    env = {"PATH": f"{bin_folder}:{os.environ['PATH']}", "HOME": str(tmp_path), "LANG": "C.UTF-8", "NO_COLOR": "1"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=550, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = dict(re.findall(r"@@(\d+)\n(.*?)(?=@@\d|\Z)", done.stdout, re.DOTALL))
    by_code = {code: told[str(number)] for number, (_, code) in enumerate(BLOCKS) if str(number) in told}

    def output(part: str) -> str:
        return str(next(text for code, text in by_code.items() if part in code))

    assert "simulated" in output("scripts/demo")
    assert "408" in output("ensemble ask")
    assert '"chat.completion"' in output("chat/completions -H")
    assert output("from openai import").startswith("simulated-")
    assert "81" in output("from openai import")
    assert output("ensemble.open").startswith("simulated-")
    assert (tmp_path / "mine.toml").is_file()
    assert (tmp_path / "tour" / "ensemble.db").is_file()


async def test_the_example_of_a_part_keeps_the_laws_of_judges(tmp_path: Path) -> None:
    (tmp_path / "brief.py").write_text(BRIEF, encoding="utf-8")
    judge = JUDGES.build({"use": str(tmp_path / "brief.py"), "floor": 1})
    await check_judge(judge, [a_case("one two three", "one two"), a_case("a b", "c d"), a_case("", "one")])


def test_the_example_of_a_jury_loads_beside_its_part(tmp_path: Path) -> None:
    (tmp_path / "brief.py").write_text(BRIEF, encoding="utf-8")
    example = next(code for language, code in BLOCKS if language == "toml" and "brief.py" in code)
    assert tomllib.loads(example)
    members = '[providers.p]\nuse = "openai"\nbase_url = "http://127.0.0.1:1/v1"\n' + (
        '[members.small]\nprovider = "p"\nmodel = "m"\n[routers.r]\nuse = "parallel"\nmembers = ["small"]\n'
    )
    (tmp_path / "ensemble.toml").write_text(members + example, encoding="utf-8")
    settings = load(tmp_path / "ensemble.toml")
    assert settings.judges["house"].use == "jury"


async def test_the_whole_configuration_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands, but for where the providers are; a key is taken from the environment alone."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        assert f'api_key_env = "{name}"' in SMALL
        monkeypatch.setenv(name, "sk-0123456789abcdef")
    (path := tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    report = await examine(path)
    assert (report.problems, report.advice) == ((), ())
    example = SMALL
    async with Simulator(SimulatorSettings(api_key="sk-0123456789abcdef")) as fleet:
        for use, url in (("openai", fleet.base_url), ("anthropic", fleet.anthropic_url)):
            example = example.replace(f'use = "{use}"\n', f'use = "{use}"\nbase_url = "{url}"\n')
        path.write_text(example, encoding="utf-8")
        fleet.always("gpt-5.4-mini", reply("Because of the light."))
        fleet.always("claude-haiku-5-5", reply("Air scatters blue light most."))
        fleet.script("claude-sonnet-5-5", [reply("[[A]]"), reply("[[B]]")])  # the pair is shown in both orders
        async with ensemble.open(path) as service:
            answer = await service.ask("Why is the sky blue?", model="best")
    assert answer.verdict is not None
    assert (answer.verdict.outcome, answer.member in ("gpt", "claude")) == ("decided", True)
    assert all(call.usage.nano_usd for call in answer.calls), "what it cost is known"
    assert (tmp_path / "small.db").is_file()


def test_every_command_route_and_part_is_named() -> None:
    for folder in ("ensemble/cli", "ensemble/routers", "ensemble/providers", "judges/heuristics", "judges/llm"):
        for file in (ROOT / folder).glob("[!_]*.py"):
            assert re.search(rf"`(ensemble )?{file.stem}`", TEXT), f"{file} is not in the README"
    routes = [
        route
        for file in (ROOT / "ensemble/server").glob("*.py")
        for route in re.findall(r'@routes\.\w+\("([^"{]+)', file.read_text(encoding="utf-8"))
    ]
    assert routes
    for route in routes:
        assert route.rstrip("/") in TEXT, f"{route} is not in the README"


def test_the_scripts_that_it_names_exist() -> None:
    for name in set(re.findall(r"\bscripts/([\w/-]+(?:\.\w+)?)", TEXT)):
        made = name.startswith("deploy/secrets")  # by scripts/deploy/make-secrets
        assert made or (ROOT / "scripts" / name).exists(), name
