"""A prefix of its own in the Redis of this machine, for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.redis_here import a_prefix


@pytest.fixture
async def prefix() -> AsyncIterator[str]:
    async with a_prefix() as made:
        yield made
