"""A planted key is found wherever it stands, and is never told."""

from pathlib import Path

import pytest
from sqlite_utils import Database

from ensemble.errors import StoreError
from ensemble.store import Store
from ensemble.store.address import address_of
from ensemble.store.keeping.connect import reading, transaction, writing
from ensemble.store.keeping.secrets import secret_places
from ensemble.upkeep import index
from tests.ensemble.store.builders import a_record, a_request

pytestmark = pytest.mark.both

KEY = 'sk-"planted\\key-0123456789'


def places(path: Path, value: str = KEY) -> list[str]:
    with reading(path) as db:
        found = [one.text for one in secret_places(db, path, {"API_KEY": value})]
    assert not any(value in text for text in found)
    return found


@pytest.mark.fresh
async def test_a_key_in_a_prompt_is_found_as_json_and_in_the_bytes(store: Store, path: Path) -> None:
    await store.record(a_record(request=a_request(f"my key is {KEY}, help")))
    told = places(path)
    file = address_of(path).file
    assert any(f"requests.messages, rows {'1' if file else '(0,1)'}" in text for text in told)
    assert any("ensemble.db-wal, at byte" in text for text in told) == bool(file)
    assert places(path, "sk-another-key") == []


async def test_a_key_that_is_torn_over_pages(store: Store, path: Path) -> None:
    """Each start within a page of one row is tried, so some of them are torn, whatever the layout."""
    key = "k" + "0123456789abcdef" * 40
    await store.record(a_record(request=a_request("x" * 5000 + key)))
    assert any("requests.messages" in text for text in places(path, key))


async def test_a_key_whose_words_an_index_holds(store: Store, path: Path) -> None:
    record = a_record(request=a_request("it is sk-indexed-Key-0123456789"))
    await store.record(record)
    await index(store)
    with writing(path) as db, transaction(db):
        db.execute("UPDATE requests SET messages = '[]'")
    told = places(path, "sk-indexed-Key-0123456789")
    assert any("stands in search_requests" in text for text in told)
    assert not any("requests.messages" in text for text in told)


@pytest.mark.sqlite("pages of a server's files are not ours to read")
async def test_a_key_that_only_a_free_page_or_a_spill_file_holds(store: Store, path: Path) -> None:
    await store.record(a_record(request=a_request(f"{'x' * 20_000} sk-free-page-key-1")))
    await store.close()
    with Database(path) as db, db.conn:
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("UPDATE requests SET messages = '[]'")
    spill = path.with_name(f"{path.name}.spill")
    spill.write_text("sk-in-the-spill-1")
    assert any("ensemble.db" in text and "at byte" in text for text in places(path, "sk-free-page-key-1"))
    assert any("ensemble.db.spill, at byte 0" in text for text in places(path, "sk-in-the-spill-1"))


async def test_a_secret_that_is_everywhere(store: Store, path: Path) -> None:
    await store.ping()
    with pytest.raises(StoreError, match="API_KEY has fewer than 8 characters"):
        places(path, "short")
