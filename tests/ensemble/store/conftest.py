"""A log on either engine, closed after the test: in a temporary folder, or in a schema of its own.

The tests of this folder run on both engines, but for those that ``pytest.mark.sqlite`` says are about a file; of the
folders below only those with ``pytest.mark.both``. On the server, those to whom the log is given use one schema, which
is emptied after each, as to make and drop one takes four times as long; ``pytest.mark.fresh`` have one of their own.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ensemble.store import Store, open_store
from ensemble.store.address import Address, address_of
from ensemble.store.database import Database
from ensemble.store.opening import open_reader
from tests import services
from tests.ensemble.store.engines import drop, empty


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sqlite(why): it is about a file, or about SQLite")
    config.addinivalue_line("markers", "both: it runs on both engines")
    config.addinivalue_line("markers", "postgres: it is about PostgreSQL alone")
    config.addinivalue_line("markers", "fresh: it needs a schema that no test had before it, or changes it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "path" not in metafunc.fixturenames:
        return
    test = metafunc.definition
    both = (_is_here(test) or test.get_closest_marker("both")) and not test.get_closest_marker("sqlite")
    engines = ["sqlite", "postgres"] if both else ["sqlite"]
    metafunc.parametrize("path", ["postgres"] if test.get_closest_marker("postgres") else engines, indirect=True)


def _is_here(test: pytest.Item) -> bool:
    """In this folder itself, where tests run on both engines."""
    return test.path.parent == Path(__file__).parent


@pytest.fixture
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | Address]:
    """Where there is no log yet: a path, or the address of a schema that is dropped after the test."""
    if request.param == "sqlite":
        yield tmp_path / "ensemble.db"
        return
    # Either fixture would make the log at once.
    if {"store", "fill"} & set(request.fixturenames) and not request.node.get_closest_marker("fresh"):
        schema, clear = request.getfixturevalue("emptied"), empty
    else:
        schema, clear = services.Schema(services.new_name(), services.postgres_url()), drop
    yield address_of(schema.url, local=tmp_path / "ensemble.db")
    clear(schema)


@pytest.fixture(scope="session")
def emptied() -> Iterator[services.Schema]:
    """A schema that tests use one after another."""
    schema = services.Schema(services.new_name(), services.postgres_url())
    yield schema
    drop(schema)


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    opened = await open_store(path, busy_s=0.2)
    yield opened
    await opened.close()


@pytest.fixture
def db(store: Store, path: Path) -> Iterator[Database]:
    with closing(open_reader(path)) as conn:
        yield conn
