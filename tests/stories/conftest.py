"""Whole paths through the served API: simulated providers, real HTTP, a real log in a file."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests import messages
from tests.served import PANEL, SERVER, Served, serving

Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Serves tables of a configuration, beside the usual members and judges, until the test ends."""
    async with AsyncExitStack() as stack:

        async def start(tables: str = PANEL) -> Served:
            return await stack.enter_async_context(serving(tmp_path, tables + SERVER))

        yield start


@pytest.fixture
async def served(serve: Serve) -> Served:
    """A panel of alpha, beta and gamma, judged by length."""
    return await serve()


@pytest.fixture
async def mixed(tmp_path: Path) -> AsyncIterator[Served]:
    """A panel of members of every wire format, judged by length."""
    async with serving(tmp_path, SERVER, parts=messages.PARTS) as opened:
        yield opened
