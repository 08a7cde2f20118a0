"""Records in a real log."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ensemble.store import Store, open_store
from ensemble.types import Late, Record

Kept = Callable[..., Awaitable[Mapping[str, Any]]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path / "ensemble.db")
    yield opened
    await opened.close()


@pytest.fixture
def kept(store: Store) -> Kept:
    """Writes a record, and what came late, and reads it back as a tree."""

    async def keep(record: Record, *late: Late) -> Mapping[str, Any]:
        await store.record(record)
        for one in late:
            await store.record_late(one)
        found = await store.request(record.request.id)
        assert found is not None
        return found

    return keep
