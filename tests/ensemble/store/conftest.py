"""A log on either engine, closed after the test: in a temporary folder, or in a schema of its own.

Tests with ``pytest.mark.both`` run on both engines, but for those that ``pytest.mark.sqlite`` says are about a file.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from ensemble.store import Store, open_store
from ensemble.store.address import Address, address_of
from ensemble.store.database import Database
from ensemble.store.opening import open_reader
from tests import services


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sqlite(why): it is about a file, or about SQLite")
    config.addinivalue_line("markers", "both: it runs on both engines")
    config.addinivalue_line("markers", "postgres: it is about PostgreSQL alone")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "path" not in metafunc.fixturenames:
        return
    test = metafunc.definition
    both = test.get_closest_marker("both") and not test.get_closest_marker("sqlite")
    engines = ["sqlite", "postgres"] if both else ["sqlite"]
    metafunc.parametrize("path", ["postgres"] if test.get_closest_marker("postgres") else engines, indirect=True)


@pytest.fixture
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | Address]:
    """Where there is no log yet: a path, or the address of a schema that is dropped after the test."""
    if request.param == "sqlite":
        yield tmp_path / "ensemble.db"
        return
    schema = services.Schema(services.new_name(), services.postgres_url())
    yield address_of(schema.url, local=tmp_path / "ensemble.db")
    with ThreadPoolExecutor(1) as thread:  # the test's own event loop may stand in this one
        drop = f"DROP SCHEMA IF EXISTS {schema.name} CASCADE"
        thread.submit(asyncio.run, services.execute(schema.server, drop)).result()


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    opened = await open_store(path, busy_s=0.2)
    yield opened
    await opened.close()


@pytest.fixture
def db(store: Store, path: Path) -> Iterator[Database]:
    with closing(open_reader(path)) as conn:
        yield conn
