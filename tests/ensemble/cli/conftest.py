"""A simulated fleet on a loopback port, a configuration for it, and the command line in a folder of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ensemble.cli import main
from ensemble.simulator import Simulator, SimulatorSettings

Run = Callable[..., Awaitable[Result]]

CONFIG = """
[providers.simulated]
use = "openai"
base_url = "{base_url}"

[members.small]
provider = "simulated"
model = "small"
max_output_tokens = 200
max_attempts = 1
price = {{ input = 1, output = 2 }}

[members.large]
provider = "simulated"
model = "large"
max_output_tokens = 200
max_attempts = 1

[judges.house]
use = "longest"

[routers.best]
use = "parallel"
members = ["small", "large"]
judge = "house"
"""


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorSettings()) as open_simulator:
        yield open_simulator


@pytest.fixture
def config(simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``ensemble.toml`` in the folder that the commands are started in."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ensemble.toml"
    path.write_text(CONFIG.format(base_url=simulator.base_url))
    return path


@pytest.fixture
def run() -> Run:
    """Runs a command to its end in a thread, since the simulator needs the event loop meanwhile."""

    async def started(*args: str, stdin: str | None = None) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, main, list(args), input=stdin)

    return started
