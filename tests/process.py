"""The server as a process of its own."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Running:
    process: asyncio.subprocess.Process
    line: str
    url: str

    async def stopped(self) -> tuple[int | None, str]:
        """Exit status and everything on standard error."""
        _, errors = await self.process.communicate()
        return self.process.returncode, errors.decode()


@asynccontextmanager
async def running(config: Path, *options: str) -> AsyncIterator[Running]:
    """``ensemble serve`` on a free port."""
    async with started(config.parent, "serve", "--port", "0", *options) as server:
        yield server


@asynccontextmanager
async def started(folder: Path, *args: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """A command of ``ensemble`` that says on its first line which address it serves."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from ensemble.cli import main; main()", *args,
        cwd=folder, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        if found is None:
            pytest.fail((await process.communicate())[1].decode())
        yield Running(process, line, found[0])
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
