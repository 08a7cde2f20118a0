"""The Redis of this machine for tests: a prefix of their own, and nothing left behind."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from ensemble.shared.link import Shared, open_shared
from ensemble.shared.settings import SharedSettings

URL = "redis://127.0.0.1:6379/0"


async def reachable() -> None:
    """Skip the test where no Redis answers at ``URL``."""
    redis = pytest.importorskip("redis.asyncio", reason="the extra redis is not installed")
    client = redis.Redis.from_url(URL, socket_connect_timeout=1)
    try:
        await client.ping()
    except (OSError, redis.RedisError):
        pytest.skip(f"no Redis answers at {URL}; scripts/test --services starts one")
    finally:
        await client.aclose()


@asynccontextmanager
async def a_prefix() -> AsyncIterator[str]:
    """A prefix that no other test has; what stands under it is deleted behind it."""
    await reachable()
    from redis.asyncio import Redis

    prefix = f"test-{uuid.uuid4().hex}"
    yield prefix
    client = Redis.from_url(URL)
    try:
        async for key in client.scan_iter(f"{prefix}:*", count=1000):
            await client.delete(key)
    finally:
        await client.aclose()


def told(prefix: str, **changes: Any) -> SharedSettings:
    """Settings of two replicas; the patience is a long one, since a busy machine is no lost Redis."""
    return SharedSettings(**{"url": SecretStr(URL), "prefix": prefix, "replicas": 2, "timeout_s": 5.0, **changes})


@asynccontextmanager
async def replicas(prefix: str, count: int, **changes: Any) -> AsyncIterator[list[Shared]]:
    """So many connections to the Redis, as of so many services."""
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(open_shared(told(prefix, **changes))) for _ in range(count)]
        yield [one for one in opened if one is not None]


async def until(true: Callable[[], object], patience_s: float = 10.0) -> None:
    """Wait until something that nobody tells of is true."""
    async with asyncio.timeout(patience_s):
        while not true():  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)
