"""Replicas over the Redis of the tests, each test with a prefix of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from ensemble.shared.link import Shared, open_shared
from ensemble.shared.settings import SharedSettings
from tests.patience import PATIENCE_S
from tests.services import redis_url

NOWHERE = SecretStr("redis://:hush@127.0.0.1:1/0")
"""Where no Redis is."""


def port() -> int:
    """The port of the Redis of the tests, on loopback, for a proxy in front of it."""
    return urlsplit(redis_url()).port or 6379


def told(prefix: str, **changes: Any) -> SharedSettings:
    """Settings of two replicas; the patience is a long one, since a busy machine is no lost Redis."""
    return SharedSettings(
        **{"url": SecretStr(redis_url()), "prefix": prefix, "replicas": 2, "timeout_s": 5.0, **changes}
    )


@asynccontextmanager
async def replicas(prefix: str, count: int, **changes: Any) -> AsyncIterator[list[Shared]]:
    """So many connections to the Redis, as of so many services."""
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(open_shared(told(prefix, **changes))) for _ in range(count)]
        yield [one for one in opened if one is not None]


async def until(true: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait until something that nobody tells of is true."""
    async with asyncio.timeout(patience_s):
        while not true():  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)
