"""Pages of the newest requests, and the log in figures."""

from datetime import timedelta
from pathlib import Path

import pytest

from ensemble.errors import StoreError
from ensemble.store import Store
from ensemble.store.keeping.browse import by_prefix, page, stats
from ensemble.store.keeping.connect import reading
from tests.ensemble.store.builders import NOON, a_late, a_record, a_request

pytestmark = pytest.mark.both


async def test_a_page_has_the_newest_first_and_pages_on(store: Store, path: Path) -> None:
    ids = []
    for number in range(5):
        record = a_record(request=a_request(f"question {number}"))
        ids.append(record.request.id)
        await store.record(record)
    with reading(path) as db:
        newest = page(db, 2)
        assert [one["prompt"] for one in newest] == ["question 4", "question 3"]
        assert [one["nano_usd"] for one in newest] == [61_400, 61_400]
        assert [one["id"] for one in page(db, 9, before=ids[3])] == ids[2::-1]
        assert [one["id"] for one in page(db, 9, after=ids[3])] == [ids[4]]
        assert page(db, 9, where="model = 'other'") == []
        assert by_prefix(db, ids[2]) == ids[2]
        with pytest.raises(StoreError, match="it is a condition on the columns of requests"):
            page(db, 9, where="no such column")
        with pytest.raises(StoreError, match="several requests begin with"):
            by_prefix(db, ids[2][:8])
        with pytest.raises(StoreError, match="there is no request 'f'"):
            by_prefix(db, "f")


async def test_figures_are_those_of_the_rows(store: Store, path: Path) -> None:
    record = a_record()
    await store.record(record)
    await store.record_late(a_late(record))
    await store.record(a_record(request=a_request(arrived_at=NOON - timedelta(days=3), model="other")))
    with reading(path) as db:
        found = stats(db, path)
        recent = stats(db, path, "2026-11-23")
    assert found["total"]["requests"] == 2  # type: ignore[index]
    assert [one["router"] for one in found["routers"]] == ["other", "panel"]  # type: ignore[attr-defined]
    assert recent["total"]["overturned"] == 1  # type: ignore[index]
    assert recent["total"]["requests"] == 1  # type: ignore[index]
    slow = [one for one in found["members"] if one["member"] == "slow"]  # type: ignore[attr-defined]
    assert slow == [{"member": "slow", "calls": 1, "failures": 0, "nano_usd": 20_000, "unpriced": 0}]
