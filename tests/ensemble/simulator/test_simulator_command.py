"""`ensemble simulate` as a process: its first line, its address, its end."""

import asyncio
import re
import signal
import socket
import sys
from pathlib import Path

import aiohttp
from click.testing import CliRunner

from ensemble.cli.simulate import command
from ensemble.simulator.tasks import from_json, make_tasks
from tests.patience import PATIENCE_S

PROGRAM = (sys.executable, "-c", "from ensemble.cli.simulate import command; command()")


async def test_serves_until_interrupted_and_sums_up(http: aiohttp.ClientSession) -> None:
    process = await asyncio.create_subprocess_exec(*PROGRAM, "--latency", "0", stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        first = (await process.stdout.readline()).decode()
        assert "imulated" in first
        found = re.search(r"http://\S+", first)
        assert found is not None
        body = {"model": "small", "messages": [{"role": "user", "content": "Hello"}]}
        async with http.post(f"{found.group()}/chat/completions", json=body) as response:
            assert response.status == 200
        process.send_signal(signal.SIGINT)
        rest = (await process.stdout.read()).decode()
        assert await process.wait() == 0
    assert "small: 1 request, 1 answered" in rest


def test_wrong_faults_are_named() -> None:
    for given, says in (("fire=0.1", "no such fault"), ("html", "KIND=RATE"), ("html=2", "at most 1")):
        result = CliRunner().invoke(command, ["--fault", given])
        assert result.exit_code == 2
        assert says in result.output


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(command, ["--port", port])
    mend = "name another, or none for a free one"
    assert result.output == f"Error: the simulated fleet cannot start: port {port} is taken; {mend}\n"


def test_a_key_that_is_not_set_is_named() -> None:
    result = CliRunner().invoke(command, ["--api-key-env", "ENSEMBLE_TEST_NO_SUCH_KEY"])
    assert result.exit_code == 2
    assert "ENSEMBLE_TEST_NO_SUCH_KEY" in result.output


def test_tasks_are_written_with_their_truth(tmp_path: Path) -> None:
    out = tmp_path / "tasks.jsonl"
    result = CliRunner().invoke(command, ["--tasks", "7", "--out", str(out), "--seed", "3"])
    assert result.exit_code == 0, result.output
    tasks = [from_json(line) for line in out.read_bytes().splitlines()]
    assert tasks == list(make_tasks(7, seed=3))
    assert CliRunner().invoke(command, ["--tasks", "7"]).exit_code == 2
