"""The command in a process of its own, stopped by signals."""

import asyncio
import json
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner

from ensemble.cli import main
from ensemble.simulator import Simulator
from tests.patience import PATIENCE_S
from tests.process import running

QUESTION = {"model": "small", "messages": [{"role": "user", "content": "my secret"}]}


async def test_it_serves_says_where_and_finishes_what_is_under_way(config: Path, simulator: Simulator) -> None:
    gate = simulator.hold("small", "finished all the same")
    async with running(config) as server, aiohttp.ClientSession() as http:
        assert "best" in server.line
        assert "ensemble.db" in server.line

        async def ask() -> tuple[int, str]:
            async with http.post(f"{server.url}/v1/chat/completions", json=QUESTION) as reply:
                return reply.status, (await reply.json())["choices"][0]["message"]["content"]

        async with asyncio.TaskGroup() as group:
            asked = group.create_task(ask())
            await simulator.until(in_flight=1)
            server.process.send_signal(signal.SIGTERM)
            await _refusing(server.url)
            gate.set()
        assert asked.result() == (200, "finished all the same")
        status, log = await server.stopped()
    assert status == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert [(line["route"], line["status"]) for line in lines if line["message"] == "request"] == [
        ("/v1/chat/completions", 200)
    ]
    assert "my secret" not in log


async def test_it_says_where_its_pages_are(config: Path) -> None:
    async with (
        running(config) as server,
        aiohttp.ClientSession() as http,
        http.get(server.line.rpartition("pages: ")[2].strip()) as reply,
    ):
        assert (reply.status, reply.content_type) == (200, "text/html")


async def test_ctrl_c_cuts_off_what_does_not_end(
    config: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENSEMBLE_SERVER__DRAIN_S", "0.05")
    simulator.hold("small")
    async with running(config, "--quiet") as server, aiohttp.ClientSession() as http:

        async def ask() -> int:
            async with http.post(f"{server.url}/v1/chat/completions", json=QUESTION) as reply:
                return reply.status

        async with asyncio.TaskGroup() as group:
            asked = group.create_task(ask())
            await simulator.until(in_flight=1)
            server.process.send_signal(signal.SIGINT)
        assert asked.result() == 503
        code, told = await server.stopped()
        assert (code, json.loads(told)["message"]) == (0, "stopping: 1 request not done in time, and cancelled")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells in /proc what another process has loaded")
async def test_what_it_does_not_need_is_not_in_memory(config: Path) -> None:
    """Some 90 MB, where pandas is installed: sqlite-utils loads it for types of columns that nobody has here."""
    async with running(config) as server, aiohttp.ClientSession() as http:
        async with http.post(f"{server.url}/v1/chat/completions", json=QUESTION) as reply:
            assert reply.status == 200
        loaded = await asyncio.to_thread(Path(f"/proc/{server.process.pid}/maps").read_text)
        assert "pydantic_core" in loaded
        unneeded = {"jsonschema_rs", "markupsafe", "nh3", "numpy", "pandas", "scipy", "sklearn"}
        assert {name for name in unneeded if f"/{name}/" in loaded} == set()

        async with http.get(f"{server.url}/ui/overview") as page:
            assert page.status == 200
        loaded = await asyncio.to_thread(Path(f"/proc/{server.process.pid}/maps").read_text)
    assert "/markupsafe/" in loaded, "pages are made when the first is asked for"


async def _refusing(url: str) -> None:
    """Return once ``url`` takes no connection any more."""
    host, port = url.removeprefix("http://").split(":")
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                continue  # it was in the queue when the queue was closed
            writer.close()
            await writer.wait_closed()
            await asyncio.sleep(0.01)


def test_a_port_that_is_taken_is_told_in_one_line(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(main, ["serve", "--port", port])
    assert result.exit_code == 1
    mend = "Address already in use; end what listens there, or name another with --port"
    assert result.output == f"Error: [server] cannot listen on 127.0.0.1 port {port}: {mend}\n"


def test_an_open_address_needs_a_key(config: Path) -> None:
    result = CliRunner().invoke(main, ["serve", "--host", "0.0.0.0"])  # noqa: S104 - it is refused
    assert result.exit_code == 2
    assert "name a key with api_key_env" in result.output


def test_workers_find_a_taken_port_before_any_is_started(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(main, ["serve", "--port", port, "--workers", "2"])
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use; end what" in result.output


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--workers", "0"], "a number from 1 to 256, or auto"),
        (["--workers", "many"], "a number from 1 to 256, or auto"),
        (["--worker", "2"], "use --workers N"),
    ],
)
def test_workers_are_a_number_or_auto(config: Path, options: list[str], told: str) -> None:
    result = CliRunner().invoke(main, ["serve", *options])
    assert result.exit_code == 2
    assert told in result.output
