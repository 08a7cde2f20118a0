"""A prefix of its own in the Redis of this machine, for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.services import redis_prefix


@pytest.fixture
async def prefix() -> AsyncIterator[str]:
    async with redis_prefix() as made:
        yield made
