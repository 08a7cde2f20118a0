"""The files of scripts/deploy: what can be run of them without Docker and systemd is run here, the rest is read.

The install lines of the Dockerfile take too long for every run of the tests: .ci/run runs them, out of the file.
"""

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml

from ensemble.config import load
from scripts.image_lines import DOCKERFILE, stages
from scripts.services import free_port
from tests.patience import PATIENCE_S
from tests.served import Served, a_question, serving

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "scripts" / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
REPLICAS = [name for name in COMPOSE["services"] if name.startswith("ensemble-")]
IMAGE = dict(stages(DOCKERFILE.read_text())[-1])
BIN = Path(sys.executable).parent
KEY = "sk-of-a-provider"
UNIT = DEPLOY / "ensemble.service"


def secrets(folder: Path) -> Path:
    """What make-secrets makes, with the keys of providers that a person has added."""
    made = folder / "secrets"
    done = subprocess.run(
        [DEPLOY / "make-secrets", made], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert done.stderr.count("write your key into") == 2
    for name in ("openai_api_key", "anthropic_api_key"):
        (made / name).write_text(KEY)
    return made


def configured(folder: Path) -> Path:
    """The configuration of the replicas, with what its container has mounted put into ``folder``."""
    text = (DEPLOY / "ensemble.toml").read_text().replace("/run/secrets/", f"{secrets(folder)}/")
    file = folder / "ensemble.toml"
    file.write_text(text.replace("/var/lib/ensemble/", f"{folder}/"))
    return file


def of_unit(key: str) -> list[str]:
    """The values that the unit gives ``key``."""
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


@asynccontextmanager
async def program(*command: str, folder: Path, **env: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """``command`` with the environment's programs on PATH; it is told to end if it does not by itself."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder), "LANG": "C.UTF-8", **env},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()  # and not killed: nginx would leave its workers behind
        await process.communicate()


async def ends_well(*command: str, folder: Path) -> bool:
    async with program(*command, folder=folder) as process:
        return await process.wait() == 0


async def first_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    if not line:
        pytest.fail((await process.communicate())[1].decode())
    return line


async def healthy(port: int, folder: Path) -> bool:
    """What the image's own check says."""
    found = re.search(r"CMD (\[.*\])$", IMAGE["HEALTHCHECK"])
    assert found
    command = [word.replace(":8000/", f":{port}/") for word in json.loads(found[1])]
    return await ends_well(*command, folder=folder)


async def test_what_the_image_runs_serves_is_found_ready_and_stops_in_order(tmp_path: Path) -> None:
    port = free_port(0)
    command = [str(port) if word == "8000" else word for word in json.loads(IMAGE["CMD"])]
    assert str(port) in command
    env = {"ENSEMBLE_CONFIG": str(configured(tmp_path))}
    async with program(*command, folder=tmp_path, **env) as server:
        assert f"0.0.0.0:{port}/v1; routers: best" in await first_line(server)
        assert await healthy(port, tmp_path)
        server.send_signal(signal.Signals[IMAGE["STOPSIGNAL"]])
        assert await server.wait() == 0
    assert not await healthy(port, tmp_path)


def test_the_image_runs_as_nobody_in_particular() -> None:
    assert not IMAGE["USER"].startswith(("0", "root"))
    copied = [rest.split()[:-1] for name, rest in stages(DOCKERFILE.read_text())[0] if name == "COPY"]
    sent = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    names = {name for part in copied for name in part}
    assert names == sent, "what is copied is sent to the builder, and nothing else"
    assert all((ROOT / name).exists() for name in names)


async def test_the_unit_serves_reloads_and_stops_in_order(tmp_path: Path) -> None:
    [start], [reload] = of_unit("ExecStart"), of_unit("ExecReload")
    words = [
        str(configured(tmp_path)) if word == "/etc/ensemble/ensemble.toml" else word for word in shlex.split(start)
    ]
    assert words[0] == "/opt/ensemble/bin/ensemble"
    [state] = [word for line in of_unit("Environment") for word in line.split() if "__PATH" in word]
    name, _, path = state.partition("=")
    env = {name: path.replace("%S", str(tmp_path)), "ENSEMBLE_SERVER__PORT": "0"}
    (tmp_path / "ensemble").mkdir()  # StateDirectory
    async with program(BIN / "ensemble", *words[1:], folder=tmp_path, **env) as server:  # type: ignore[arg-type]
        url = re.search(r"http://\S+(?=/v1)", await first_line(server))
        assert url
        async with aiohttp.ClientSession() as http:

            async def since() -> str:
                async with http.get(f"{url[0]}/readyz") as reply:
                    return str((await reply.json())["config"])

            before = await since()
            (tmp_path / "ensemble.toml").write_text((tmp_path / "ensemble.toml").read_text().replace("55", "44"))
            assert await ends_well(*shlex.split(reload.replace("$MAINPID", str(server.pid))), folder=tmp_path)
            async with asyncio.timeout(PATIENCE_S):
                while await since() == before:  # noqa: ASYNC110 - another process tells it, and only when asked
                    await asyncio.sleep(0.05)
        server.send_signal(signal.Signals[of_unit("KillSignal")[0]])
        assert await server.wait() == 0
    assert (tmp_path / "ensemble" / "ensemble.db").is_file(), "the log is in the folder that the service owns"


def test_systemd_takes_the_unit_and_finds_it_closed(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    copy = tmp_path / "ensemble.service"
    copy.write_text(UNIT.read_text().replace("/opt/ensemble/bin/ensemble", str(BIN / "ensemble")))
    done = subprocess.run(
        ["systemd-analyze", "verify", copy], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if "ensemble.service" in line]) == (0, [])
    closed = ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", str(copy)]
    done = subprocess.run(closed, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout[-300:]


def test_whatever_compose_mounts_or_names_is_there() -> None:
    services = COMPOSE["services"]
    assert len(REPLICAS) == 3
    for name, service in services.items():
        assert service["restart"] == "unless-stopped", name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert "healthcheck" in service or name in REPLICAS, "the image of the replicas has its own"
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"]), name
        assert set(service["networks"]) <= set(COMPOSE["networks"]), name
        assert set(service.get("depends_on", [])) <= set(services), name
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith("./") else source in COMPOSE["volumes"], mount
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "nothing is open to others before somebody has thought of TLS"
    build = services[REPLICAS[0]]["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT
    assert ROOT / build["dockerfile"] == DOCKERFILE
    spills = [volume for name in REPLICAS for volume in services[name]["volumes"] if "spill" in volume]
    assert len(set(spills)) == len(REPLICAS), "a spill file has one owner"


def test_the_secrets_are_all_that_compose_reads_and_stay_what_they_are(tmp_path: Path) -> None:
    made = secrets(tmp_path)
    read = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert {file.name for file in made.iterdir()} == read | {"ensemble.env"}
    assert made.stat().st_mode & 0o777 == 0o700
    before = {file.name: file.read_text() for file in made.iterdir()}
    subprocess.run([DEPLOY / "make-secrets", made], capture_output=True, timeout=PATIENCE_S, check=True)
    assert {file.name: file.read_text() for file in made.iterdir()} == before
    ignored = subprocess.run(
        ["git", "-C", ROOT, "check-ignore", "scripts/deploy/secrets/api_key"], timeout=PATIENCE_S, check=False
    )
    assert ignored.returncode == 0 or not (ROOT / ".git").exists()


def test_the_configuration_of_the_replicas_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = configured(tmp_path)
    for line in (tmp_path / "secrets" / "ensemble.env").read_text().splitlines():
        monkeypatch.setenv(*line.split("=", 1))
    settings = load(file)
    password = (tmp_path / "secrets" / "postgres_password").read_text()
    assert settings.store.url is not None
    assert settings.store.url.get_secret_value() == f"postgresql://ensemble:{password}@postgres:5432/ensemble"
    assert settings.shared.url is not None
    assert settings.shared.replicas == len(REPLICAS)
    assert password not in repr(settings)
    mounted = {f"/run/secrets/{name}" for name in COMPOSE["services"][REPLICAS[0]]["secrets"]}
    assert set(re.findall(r"/run/secrets/\w+", (DEPLOY / "ensemble.toml").read_text())) == mounted


def test_prometheus_asks_the_replicas_and_grafana_prometheus(tmp_path: Path) -> None:
    told = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    [job] = told["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"{name}:8000" for name in REPLICAS]}]
    assert Path(job["authorization"]["credentials_file"]).name in COMPOSE["services"]["prometheus"]["secrets"]
    [source] = yaml.safe_load((DEPLOY / "grafana" / "datasources.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    [boards] = yaml.safe_load((DEPLOY / "grafana" / "dashboards.yaml").read_text())["providers"]
    mounts = [mount.split(":")[1] for mount in COMPOSE["services"]["grafana"]["volumes"]]
    assert f"{boards['options']['path']}/ensemble.json" in mounts
    promtool = shutil.which("promtool")
    if promtool is not None:
        shutil.copy(DEPLOY / "alerts.yaml", tmp_path)
        (tmp_path / "prometheus.yml").write_text(
            (DEPLOY / "prometheus.yml").read_text().replace("/run/secrets/", f"{secrets(tmp_path)}/")
        )
        subprocess.run([promtool, "check", "config", tmp_path / "prometheus.yml"], timeout=PATIENCE_S, check=True)


async def test_redis_starts_by_its_command_and_is_found_healthy_with_its_password_alone(tmp_path: Path) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not here")
    port, made = free_port(0), secrets(tmp_path)

    def here(line: str) -> str:
        told = line.replace("$$", "$").replace("/run/secrets/", f"{made}/")
        return told.replace("redis-server", f"redis-server --port {port} --bind 127.0.0.1 --dir {tmp_path}").replace(
            "redis-cli", f"redis-cli -p {port}"
        )

    redis = COMPOSE["services"]["redis"]
    [kind, check] = redis["healthcheck"]["test"]
    assert kind == "CMD-SHELL"

    async with program(*[here(word) for word in redis["command"]], folder=tmp_path) as server:
        assert server.stdout is not None
        while "Ready to accept connections" not in await first_line(server):
            pass
        assert await ends_well("sh", "-c", here(check), folder=tmp_path)
        nobody = here("redis-cli ping | grep -q PONG")
        assert not await ends_well("sh", "-c", nobody, folder=tmp_path), "nobody is let in without the password"


async def test_postgres_takes_its_settings_and_is_found_healthy(tmp_path: Path) -> None:
    import asyncpg

    from tests.services import postgres_url

    url = postgres_url()
    service = COMPOSE["services"]["postgres"]
    connection = await asyncpg.connect(url)
    try:
        known = {row["name"] for row in await connection.fetch("SELECT name FROM pg_settings")}
    finally:
        await connection.close()
    given = {word.split("=")[0] for word in service["command"] if "=" in word}
    assert given
    assert given <= known
    if shutil.which("pg_isready"):
        port = str(urlsplit(url).port or 5432)
        _, *check = service["healthcheck"]["test"]
        assert await ends_well(*check, "-p", port, folder=tmp_path)


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncIterator[tuple[str, list[Served], AsyncExitStack]]:
    """nginx by the configuration of compose, in front of three services with a log each; and how to end the first."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not here")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(AsyncExitStack())
        replicas = []
        for number, name in enumerate(REPLICAS):
            (tmp_path / name).mkdir()
            owner = stack if number else first
            replicas.append(await owner.enter_async_context(serving(tmp_path / name)))
        port, text = free_port(0), (DEPLOY / "nginx.conf").read_text()
        for name, served in zip(REPLICAS, replicas, strict=True):
            text = text.replace(f"{name}:8000", served.root.removeprefix("http://"))
        text = text.replace("listen 8000", f"listen 127.0.0.1:{port}").replace("/tmp/", f"{tmp_path}/")
        (tmp_path / "nginx.conf").write_text(f"{'user root;' if os.geteuid() == 0 else ''}{text}")
        command = [word.replace("/etc/ensemble", str(tmp_path)) for word in COMPOSE["services"]["proxy"]["command"]]
        await stack.enter_async_context(program(*command, folder=tmp_path))
        url = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as http:
            while True:
                try:
                    async with http.get(f"{url}/healthz") as reply:
                        assert reply.status == 200
                        break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.02)
        yield url, replicas, first


async def test_the_proxy_shares_requests_streams_them_and_goes_round_a_replica_that_is_gone(
    proxied: tuple[str, list[Served], AsyncExitStack],
) -> None:
    url, replicas, first = proxied

    async def ask(http: aiohttp.ClientSession, **changes: Any) -> tuple[int, str]:
        async with http.post(f"{url}/v1/chat/completions", json=a_question(**changes)) as reply:
            return reply.status, await reply.text()

    async with aiohttp.ClientSession() as http:
        assert {(await ask(http))[0] for _ in range(9)} == {200}
        assert [len(served.simulator.served) > 0 for served in replicas] == [True, True, True]
        status, streamed = await ask(http, stream=True)
        assert (status, streamed.rstrip()[-12:]) == (200, "data: [DONE]")
        async with http.get(f"{url}/metrics") as reply:
            assert reply.status == 404
        await first.aclose()
        assert {(await ask(http))[0] for _ in range(9)} == {200}
