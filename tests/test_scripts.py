"""The scripts where they are most needed: on a machine that lacks something. Installing itself is what .ci/run does."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts import audit
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"
PYTHONS = ("python3.13", "python3.12", "python3.11", "python3")
OLD = '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2"\nexit 1\n'
WITHOUT_VENV = f'#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; esac\nexec "{sys.executable}" "$@"\n'
NO_INSTALL = 'case "$*" in *requirements.py*) exit 1 ;; esac'


def stub(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the scripts need, in a folder whose name has spaces, as large as a test can afford."""
    root = tmp_path / "a clone of it"
    shutil.copytree(SCRIPTS, root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, root)
    return root


def run(
    project: Path, script: str, *arguments: str, first: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a script with a minimal environment, from a folder that is not the project's."""
    path = os.pathsep.join([*([str(first)] if first else []), "/usr/bin", "/bin"])
    return subprocess.run(
        ["bash", str(project / "scripts" / script), *arguments],
        env={"PATH": path, "HOME": str(project), **env},
        cwd=project.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def environment(project: Path, level: str, tool: str = "exit 0") -> None:
    """Make an environment that looks as if ``level`` was installed; whatever is run in it does ``tool``."""
    for name in ("python", "ensemble", "cog"):
        stub(project / ".venv" / "bin" / name, f'#!/bin/sh\necho "{name} $*"\n{tool}\n')
    (project / ".venv" / "pyvenv.cfg").touch()
    lines = f'source "{project}/scripts/lib.sh"; stamp_of {level}'
    done = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    (project / ".venv" / "ensemble-stamp").write_text(done.stdout, encoding="utf-8")


@pytest.mark.parametrize("script", ["demo", "install", "test", "check", "fix"])
def test_an_old_python_gets_one_sentence(project: Path, tmp_path: Path, script: str) -> None:
    for name in PYTHONS:
        stub(tmp_path / "bin" / name, OLD)
    done = run(project, script, first=tmp_path / "bin")
    assert done.returncode == 1
    assert done.stderr == (
        f"{script}: Python 3.11 or newer is needed and none is on PATH (python3 here: Python 3.9.2); "
        "on Debian or Ubuntu: apt-get install python3.11 python3.11-venv\n"
    )


def test_a_missing_venv_module_is_named_with_its_package(project: Path, tmp_path: Path) -> None:
    for name in PYTHONS:
        stub(tmp_path / "bin" / name, WITHOUT_VENV)
    done = run(project, "demo", first=tmp_path / "bin")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert done.returncode == 1
    assert done.stderr == (
        "demo: python3.13 cannot make an environment, its venv module is missing; "
        f"on Debian or Ubuntu: apt-get install python{version}-venv\n"
    )


def test_a_folder_of_other_things_is_not_made_an_environment(project: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious" / "file"
    stub(precious, "")
    done = run(project, "install", ENSEMBLE_VENV=str(precious.parent))
    assert done.returncode == 1
    assert "is no Python environment" in done.stderr
    assert precious.exists()


@pytest.mark.parametrize("level", ["core", "dev"])
def test_the_demo_starts_at_once_in_an_environment_that_is_right(project: Path, level: str) -> None:
    environment(project, level)
    done = run(project, "demo", "--json", "a question")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ensemble demo --json a question\n", "")


def test_the_environment_of_the_demo_is_not_enough_for_the_tests(project: Path) -> None:
    environment(project, "core", tool=NO_INSTALL)
    done = run(project, "install")
    assert done.returncode == 1
    assert "Installing ensemble-judges (dev)" in done.stderr


def test_an_environment_is_old_once_the_lock_has_changed(project: Path) -> None:
    environment(project, "core", tool=NO_INSTALL)
    with (project / "requirements.lock").open("a", encoding="utf-8") as lock:
        lock.write("another==1\n")
    done = run(project, "demo")
    assert done.returncode == 1
    assert "Installing ensemble-judges (core)" in done.stderr
    assert "pip could not install" in done.stderr


def test_a_failing_tool_fails_the_check_after_all_have_run(project: Path) -> None:
    environment(project, "dev", tool='case "$*" in *"ruff check"*) exit 1 ;; esac')
    stub(project / ".venv" / "bin" / "lint-imports", "#!/bin/sh\nexit 1\n")
    done = run(project, "check")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == ["python -m mypy", "cog -I scripts --check README.md"]
    assert done.stderr.splitlines()[-1].startswith("check: failed: lint, floors;")


def test_the_status_of_the_demo_is_passed_on(project: Path) -> None:
    environment(project, "core", tool="exit 3")
    assert run(project, "demo").returncode == 3


@pytest.mark.parametrize(
    "script", [path.name for path in sorted(SCRIPTS.iterdir()) if path.is_file() and not path.suffix]
)
def test_a_script_is_small_and_can_be_run(script: str) -> None:
    path = SCRIPTS / script
    lines = path.read_text(encoding="utf-8").splitlines()
    assert os.access(path, os.X_OK)
    assert lines[0] == "#!/usr/bin/env bash", "Python belongs into a file that ends with .py, where it is checked"
    assert lines[1].startswith("# "), "what it does is said at its top"
    assert len(lines) <= 25
    assert subprocess.run(["bash", "-n", str(path)], timeout=PATIENCE_S, check=False).returncode == 0


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line.partition(";")[0].strip() for line in lines if not line.startswith("#")]
    return dict(pin.split("==") for pin in pins)


def test_the_lock_holds_what_the_project_asks_for() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = [line for lines in data["project"]["optional-dependencies"].values() for line in lines]
    asked = [*data["project"]["dependencies"], *extras, *data["dependency-groups"]["dev"]]
    pins = locked()
    wrong = [ask for ask in map(Requirement, asked) if not ask.specifier.contains(pins.get(ask.name, "0"))]
    assert wrong == [], "run scripts/lock"


def test_the_lock_names_versions_and_no_place_to_get_them_from() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pin = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+( ; [a-z_]+ [!=<>]+ \"[A-Za-z0-9.]+\")?")
    assert [line for line in lines if not line.startswith("# ") and not pin.fullmatch(line)] == []


def test_an_audit_tells_an_advisory_from_a_service_that_is_out_of_reach() -> None:
    sound = {"name": "a", "version": "1", "vulns": []}
    unknown = {"name": "b", "skip_reason": "not found"}
    holed = {"name": "c", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
    assert audit.told([sound, unknown])[1] is False
    lines, bad = audit.told([sound, holed])
    assert (bad, lines[0]) == (True, "c 2: PYSEC-1, mended in ['3']")
    for nothing in ([], [unknown]):
        lines, bad = audit.told(nothing)
        assert (bad, "SKIPPED" in lines[0]) == (False, True)
