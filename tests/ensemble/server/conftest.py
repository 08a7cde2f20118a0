from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.served import PANEL, SERVER, Served, serving


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A panel of three behind a running server without a key."""
    async with serving(tmp_path, PANEL + SERVER + "max_body_bytes = 50_000\n") as running:
        yield running
