"""The program without any of its extras, as `pip install ensemble-judges` brings it."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.ensemble.training.lessons import put_answers

OF_EXTRAS = (
    *("asyncpg", "boto3", "model2vec", "opentelemetry", "pandas", "pyarrow", "ray", "redis", "skops", "sklearn"),
    *("uvloop", "yaml"),
)
START = f"""
import sys
for name in {OF_EXTRAS!r}:
    sys.modules[name] = None  # so that an import of it fails
from ensemble.cli import main
main()
"""


async def ensemble(folder: Path, *arguments: str) -> tuple[int | None, str]:
    """Exit code and what was said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", START, *arguments),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_it_starts_without_them(tmp_path: Path) -> None:
    code, said = await ensemble(tmp_path, "doctor")
    assert (code, "Traceback" in said) == (0, False), said


@pytest.mark.parametrize("command", [("log", "stats"), ("log", "migrate")])
async def test_a_log_on_postgresql_says_what_to_install(tmp_path: Path, command: tuple[str, ...]) -> None:
    code, said = await ensemble(tmp_path, *command, "--db", "postgresql://nobody@127.0.0.1:1/test")
    assert code == 1
    assert said == "Error: a log on PostgreSQL needs asyncpg: pip install 'ensemble-judges[postgres]'\n"


@pytest.mark.parametrize("kind", ["stack", "scorer"])
async def test_learning_says_what_to_install(tmp_path: Path, kind: str) -> None:
    put_answers(tmp_path / "rows.jsonl", number=120, start=0, fails="at sums")
    assert (await ensemble(tmp_path, "import", "rows.jsonl", "--format", "candidates", "--db", "log.db"))[0] == 0
    members = ("--member", "small", "--member", "large")
    code, said = await ensemble(tmp_path, "train", "--data", "log.db", "--kind", kind, *members, "--out", "router")
    assert code == 1
    assert said == "Error: learned parts need scikit-learn and skops: pip install 'ensemble-judges[routers]'\n"
