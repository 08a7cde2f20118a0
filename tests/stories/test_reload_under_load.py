"""The configuration of a running server is changed again and again, for good and for bad; no client notices."""

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path

import aiohttp

from ensemble.simulator import Simulator
from tests.load import CLIENTS, Load
from tests.patience import PATIENCE_S
from tests.process import running
from tests.served import PANEL, PARTS

TABLES = PANEL + "\n[server]\nwatch_s = 0.05\n"
MORE = '\n[routers.more]\nuse = "single"\nmember = "alpha"\n'


async def test_no_request_fails_while_the_configuration_changes(tmp_path: Path) -> None:
    async with Simulator() as simulator:
        for name in ("alpha", "beta", "gamma", "critic"):
            simulator.script(name, [])
        file = tmp_path / "ensemble.toml"
        good = PARTS.format(base_url=simulator.base_url) + TABLES
        file.write_text(good)
        async with running(file, "--quiet") as server, aiohttp.ClientSession(server.url) as http:

            async def until(sign: Callable[[dict[str, str]], bool]) -> dict[str, str]:
                async with asyncio.timeout(PATIENCE_S):
                    while True:
                        async with http.get("/readyz") as reply:
                            assert reply.status == 200
                            told: dict[str, str] = (await reply.json())["config"]
                        if sign(told):
                            return told
                        await asyncio.sleep(0.02)

            async def moves_on(changed: str, before: str) -> str:
                """Change the file for good, then for bad; return the digest that stays."""
                file.write_text(changed)
                digest = (await until(lambda told: told["digest"] != before))["digest"]
                file.write_text(changed.replace("[members.alpha]", "[members.alpha"))
                refused = await until(lambda told: "refused" in told)
                server.process.send_signal(signal.SIGHUP)
                await until(lambda told: told.get("refused") != refused["refused"])
                seen = load.answers
                assert (await until(lambda told: load.answers > seen + CLIENTS))["digest"] == digest
                return digest

            load = Load(f"{server.url}/v1", "panel")
            async with asyncio.TaskGroup() as group:
                group.create_task(load.run())
                digest = (await until(lambda told: load.answers > CLIENTS))["digest"]
                for changed in (good + MORE, good.replace('"openai"', '"openai"\nmax_in_flight = 9'), good):
                    digest = await moves_on(changed, digest)
                load.over = True
            server.process.send_signal(signal.SIGTERM)
            status, errors = await server.stopped()
    assert status == 0
    assert load.answers > 20
    refused = [json.loads(line) for line in errors.splitlines() if "refused" in line]
    assert refused
    assert all("is not TOML" in line["message"] for line in refused)
