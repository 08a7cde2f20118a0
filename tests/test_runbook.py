"""The commands of the runbook that are not ours: a log on PostgreSQL comes back from its dump."""

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from ensemble.cli import main
from ensemble.store import open_store
from tests.services import postgres_database, postgres_schema

RUNBOOK = Path(__file__).resolve().parent.parent / "scripts" / "deploy" / "RUNBOOK.md"


@pytest.mark.timeout(300)
async def test_a_log_on_postgresql_comes_back_from_its_dump(tmp_path: Path) -> None:
    if shutil.which("pg_dump") is None:
        pytest.skip("pg_dump is not here")
    commands = re.findall(r"^pg_\w+ .*$", RUNBOOK.read_text(), re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["pg_dump", "pg_restore"]
    async with postgres_schema() as schema, postgres_database() as empty:
        await (await open_store(schema.url)).close()
        script = "\n".join(["set -eu", *commands]).replace("--schema=ensemble", f"--schema={schema.name}")
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", script, cwd=tmp_path, stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "LOG": schema.server, "EMPTY": empty},
        )  # fmt: skip
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        again = f"{empty}?schema={schema.name}"
        done = await asyncio.to_thread(CliRunner().invoke, main, ["log", "check", "--db", again])
        assert (done.exit_code, "no findings" in done.output) == (0, True), done.output
