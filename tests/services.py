"""PostgreSQL and Redis for a test: where they are, and a place in each of them that is the test's own.

A test that needs a service skips where none answers; ``scripts/services`` starts both. Nothing here empties a server:
several tests, and several runs of the suite, may use one at a time.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import redis.asyncio

from scripts import services
from tests.patience import PATIENCE_S

HINT = "scripts/services starts one, scripts/test --services does so before the tests"


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema of one test; ``url`` names it in its query as the store does, ``server`` is the database alone."""

    name: str
    server: str

    @property
    def url(self) -> str:
        return f"{self.server}?schema={self.name}"


@cache
def _fault(look: Callable[[str], str | None], url: str) -> str | None:
    # In a thread of its own, since whoever asks may be within an event loop.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(look, url).result()


def postgres_url() -> str:
    """The PostgreSQL of the tests, ``ENSEMBLE_TEST_POSTGRES`` if it is set; skips the test where none answers."""
    url = services.address(services.POSTGRES)
    if (why := _fault(services.postgres_fault, url)) is not None:
        pytest.skip(f"{why}; {HINT}")
    return url


def redis_url() -> str:
    """The Redis of the tests, ``ENSEMBLE_TEST_REDIS`` if it is set; skips the test where none answers."""
    url = services.address(services.REDIS)
    if (why := _fault(services.redis_fault, url)) is not None:
        pytest.skip(f"{why}; {HINT}")
    return url


async def execute(url: str, *statements: str) -> None:
    """Run statements one by one, each in a transaction of its own."""
    async with asyncio.timeout(PATIENCE_S):
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


def new_name() -> str:
    """A name of a schema, database or prefix that nobody else uses."""
    return f"test_{secrets.token_hex(6)}"


@asynccontextmanager
async def postgres_schema() -> AsyncIterator[Schema]:
    """The name of a schema that does not exist yet; what was made under it is dropped at the end."""
    schema = Schema(new_name(), postgres_url())
    try:
        yield schema
    finally:
        await execute(schema.server, f"DROP SCHEMA IF EXISTS {schema.name} CASCADE")


@asynccontextmanager
async def postgres_database() -> AsyncIterator[str]:
    """The URL of an empty database; whoever is still connected at the end is thrown out. Slower than a schema."""
    server, name = postgres_url(), new_name()
    await execute(server, f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        await execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def redis_prefix() -> AsyncIterator[str]:
    """A prefix for keys that nobody else uses; keys that begin with it are deleted at the end."""
    url, prefix = redis_url(), f"{new_name()}:"
    try:
        yield prefix
    finally:
        async with asyncio.timeout(PATIENCE_S), redis.asyncio.Redis.from_url(url) as client:
            async for key in client.scan_iter(f"{prefix}*", count=1000):
                await client.unlink(key)
