"""Facts of a log on a server that no service looks after."""

import logging
import secrets
from urllib.parse import urlsplit

import pytest

from ensemble.store import open_store
from ensemble.store.audit import rollups
from ensemble.store.audit.facts import missing
from ensemble.store.reading import open_log
from tests.ensemble.store.builders import a_record
from tests.services import execute, postgres_schema


async def test_whoever_reads_it_makes_them_for_all() -> None:
    async with postgres_schema() as schema:
        store = await open_store(schema.url)
        for _ in range(3):
            await store.record(a_record())
        async with open_log(schema.url) as log:
            assert await log.read(lambda db: rollups.cases(db)["cases"]) == 3
        assert await store.read(missing) == 0
        await store.close()


async def test_who_may_not_write_sees_what_there_is(caplog: pytest.LogCaptureFixture) -> None:
    reader = f"test_{secrets.token_hex(6)}"
    async with postgres_schema() as schema:
        store = await open_store(schema.url)
        await store.record(a_record())
        await execute(
            schema.server,
            f"CREATE ROLE {reader} LOGIN; GRANT USAGE ON SCHEMA {schema.name} TO {reader};"
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema.name} TO {reader}",
        )
        try:
            parts = urlsplit(schema.url)
            url = parts._replace(netloc=f"{reader}@{parts.netloc.rpartition('@')[2]}").geturl()
            with caplog.at_level(logging.WARNING):
                async with open_log(url) as log:
                    assert await log.read(lambda db: rollups.cases(db)["cases"]) == 0
                    assert await log.read(missing) == 1
            assert [line for line in caplog.messages if "cannot be made here" in line]
            assert await store.read(missing) == 1
        finally:
            await store.close()
            await execute(schema.server, f"DROP OWNED BY {reader}", f"DROP ROLE {reader}")
