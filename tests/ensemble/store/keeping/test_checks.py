"""What a check finds: nothing in a sound log, and each kind of damage."""

from pathlib import Path

import pytest

from ensemble.store import Store, open_store
from ensemble.store.address import address_of
from ensemble.store.database import is_sqlite
from ensemble.store.keeping.checks import checks
from ensemble.store.keeping.connect import reading, writing
from ensemble.store.keeping.search import search
from ensemble.upkeep import index
from tests.ensemble.store.builders import a_late, a_record

pytestmark = pytest.mark.both


def found(path: Path) -> dict[str, str]:
    with reading(path) as db:
        return {one.check: one.text for one in checks(db, path)}


def spoil(path: Path, *statements: str) -> None:
    with writing(path) as db:
        db.execute("PRAGMA foreign_keys = OFF" if is_sqlite(db) else "SET session_replication_role = replica")
        for statement in statements:
            db.execute(statement)


@pytest.fixture
async def log(store: Store, path: Path) -> Path:
    for _ in range(3):
        record = a_record()
        await store.record(record)
        await store.record_late(a_late(record))
    await index(store)
    return path


def test_a_sound_log(log: Path) -> None:
    assert found(log) == {}


@pytest.mark.parametrize(
    ("statement", "check", "told"),
    [
        ("DELETE FROM requests", "references", "rows of requests that are not there"),
        ("UPDATE daily_calls SET nano_usd = nano_usd + 1 WHERE member = 'slow'", "sums", "daily_calls tells another"),
        ("DELETE FROM daily_requests", "sums", "daily_requests lacks 2026-11-23, panel"),
        ("UPDATE requests SET chosen = 'gone'", "orphans", "an answer that is no candidate"),
        ("UPDATE candidates SET call_id = 'gone'", "orphans", "a candidate without its call"),
        ("UPDATE exchanges SET call_id = 'gone' WHERE position = 0", "orphans", "call is not in the ledger"),
    ],
)
def test_what_is_wrong_is_named(log: Path, statement: str, check: str, told: str) -> None:
    spoil(log, statement)
    assert told in found(log)[check]


@pytest.mark.sqlite("a server has other indexes: below")
@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE search_candidates_data SET block = randomblob(length(block)) WHERE id > 10", "malformed"),
        ("DELETE FROM search_candidates_data WHERE id > 10", "malformed"),
        ("DELETE FROM search_candidates_docsize WHERE id IN (1, 5)", "lacks 2 rows"),
    ],
)
async def test_a_search_index_that_is_damaged_and_mended_as_told(log: Path, statement: str, told: str) -> None:
    await damaged_and_mended(log, statement, told)


@pytest.mark.postgres
async def test_a_search_index_on_a_server_that_lost_rows(log: Path) -> None:
    await damaged_and_mended(log, "DELETE FROM search_candidates WHERE request_id IS NOT NULL", "lacks 12 rows")


async def damaged_and_mended(log: Path, statement: str, told: str) -> None:
    spoil(log, statement)
    said = found(log)["search"]
    assert told in said
    spoil(log, *said.split("`")[1].removesuffix(";").split("; "))
    assert found(log) == {}
    again = await open_store(log)
    await index(again)
    await again.close()
    assert found(log) == {}
    with reading(log) as db:
        assert len(search(db, "answer", 99, ("candidates",))) > 0


def test_a_file_that_others_may_read(log: Path) -> None:
    spill = address_of(log).beside(".spill")
    spill.write_text("")
    spill.chmod(0o644)
    assert "spill can be read by others (mode 644)" in found(log)["rights"]


@pytest.mark.postgres
@pytest.mark.fresh
@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = CAST('requests_conversation' AS regclass)",
            "`REINDEX INDEX requests_conversation` makes it anew",
        ),
        ("ALTER TABLE verdicts DISABLE TRIGGER audit_judged", "the trigger audit_judged is disabled"),
    ],
)
def test_what_a_server_says_of_itself(log: Path, statement: str, told: str) -> None:
    spoil(log, statement)
    assert told in found(log)["integrity"]


@pytest.mark.sqlite("a server has other ways to lose one")
def test_an_index_that_lost_a_row(log: Path) -> None:
    spoil(log, "PRAGMA writable_schema = ON",
          "UPDATE sqlite_schema SET sql = replace(sql, 'WHERE conversation IS NOT NULL', 'WHERE model IS NOT NULL') "
          "WHERE name = 'requests_conversation'")  # fmt: skip
    assert "requests_conversation" in found(log)["integrity"]


@pytest.mark.postgres
def test_a_check_of_a_large_log_is_not_ended_by_the_server(log: Path) -> None:
    with reading(log) as db:
        assert db.execute("SELECT current_setting('statement_timeout')").fetchone() == ("119s",)
        checks(db, log)
        assert db.execute("SELECT current_setting('statement_timeout')").fetchone() == ("86399s",)
