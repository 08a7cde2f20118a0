"""The servers that tests use: found, skipped with a reason, started where missing, and left as they were."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import redis.asyncio

from scripts import services
from tests.patience import PATIENCE_S
from tests.services import execute, postgres_database, postgres_schema, postgres_url, redis_prefix, redis_url

ROOT = Path(__file__).resolve().parent.parent
NOWHERE = "127.0.0.1:9"


async def schemas(url: str, name: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = $1", name))
    finally:
        await connection.close()


async def test_a_schema_goes_with_its_test() -> None:
    async with postgres_schema() as schema:
        await execute(schema.server, f"CREATE SCHEMA {schema.name}", f"CREATE TABLE {schema.name}.t (i int)")
        assert await schemas(schema.server, schema.name) == 1
    assert await schemas(schema.server, schema.name) == 0


@pytest.mark.timeout(300)  # to make or drop a database, the server writes out what every test has changed so far
async def test_a_database_goes_even_while_somebody_is_connected() -> None:
    async with postgres_database() as url:
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("SELECT current_database()") == urlsplit(url).path[1:]
    with pytest.raises(asyncpg.PostgresError):
        await asyncpg.connect(url)
    connection.terminate()


async def test_keys_under_a_prefix_go_and_others_stay() -> None:
    async with redis.asyncio.Redis.from_url(redis_url()) as client, redis_prefix() as kept:
        await client.set(f"{kept}a", "1")
        async with redis_prefix() as prefix:
            await client.mset({f"{prefix}{i}": "1" for i in range(50)})
        assert [key async for key in client.scan_iter(f"{prefix}*")] == []
        assert await client.get(f"{kept}a") == b"1"


@pytest.mark.parametrize(
    ("name", "url", "ask"),
    [
        (services.POSTGRES[0], f"postgresql://me:secret@{NOWHERE}/test", postgres_url),
        (services.REDIS[0], f"redis://:secret@{NOWHERE}", redis_url),
    ],
)
def test_a_test_without_its_service_skips_and_says_why(
    name: str, url: str, ask: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, url)
    with pytest.raises(pytest.skip.Exception, match=rf"at {NOWHERE}.*scripts/services starts one") as skipped:
        ask()
    assert "secret" not in str(skipped.value)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where a server of the test runs; it is ended with the test."""
    made = Path(tempfile.mkdtemp(dir=services.FOLDERS))
    yield made
    for pid in (made / "data" / "postmaster.pid", made / "pid"):
        if pid.exists():
            os.kill(int(pid.read_text().split()[0]), signal.SIGINT)
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.parametrize("service", ["postgres", "redis"])
def test_one_that_is_missing_is_started_beside_what_is_there(
    service: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual ports may be taken here, by servers that are not ours to touch: a free one is used then."""
    if (services.postgres_programs() if service == "postgres" else shutil.which("redis-server")) is None:
        pytest.skip(f"{service} is not installed here, and a test installs nothing")
    if service == "postgres":
        url = services.start_postgres(folder)
        assert services.postgres_fault(url) is None
    else:
        monkeypatch.setenv(services.REDIS[0], f"redis://{NOWHERE}")
        url = services.start_redis(folder)
        assert services.redis_fault(url) is None
    assert urlsplit(url).hostname == "127.0.0.1"
    assert (folder / "log").is_file(), "it is not the one that was there"


def test_what_was_started_may_take_its_time_to_answer() -> None:
    told = iter(["connection refused", "connection refused", None])
    services.wait("redis://here", lambda _url: next(told))
    assert list(told) == []
    with pytest.raises(OSError, match="it was started and does not answer: connection refused"):
        services.wait("redis://here", lambda _url: "connection refused", patience_s=0)


def test_what_answers_is_named_and_left_alone() -> None:
    postgres, cached = postgres_url(), redis_url()
    done = subprocess.run(
        [sys.executable, "-m", "scripts.services"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"export {services.POSTGRES[0]}={postgres}", f"export {services.REDIS[0]}={cached}",
    ]  # fmt: skip


def test_one_that_was_named_and_does_not_answer_is_never_replaced() -> None:
    names = {services.POSTGRES[0]: f"postgresql://{NOWHERE}/test", services.REDIS[0]: f"redis://{NOWHERE}"}
    done = subprocess.run(
        [sys.executable, "-m", "scripts.services"], env={**os.environ, **names}, cwd=ROOT,
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert [line.split(" (")[0] for line in done.stderr.splitlines()] == [
        f"services: no PostgreSQL at {NOWHERE}/test", f"services: no Redis at {NOWHERE}",
    ]  # fmt: skip
