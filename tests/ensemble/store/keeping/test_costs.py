"""Sums of money by any combination, unknown ones beside them."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from ensemble.errors import StoreError
from ensemble.store import Store
from ensemble.store.keeping.connect import reading
from ensemble.store.keeping.costs import DIMENSIONS, costs
from judges.types import Usage
from tests.ensemble.store.builders import a_call, a_record, a_request

pytestmark = pytest.mark.both


@pytest.fixture
async def filled(store: Store, path: Path) -> Path:
    """Three priced requests, the last with one more call of unknown cost."""
    for key, team in (("one", "red"), ("two", "blue"), (None, "red")):
        record = a_record(request=a_request(key_id=key, tags={"team": team}))
        if key is None:
            lost = a_call(record.request.id, failure="timeout", usage=Usage())
            record = replace(record, calls=(*record.calls, lost))
        await store.record(record)
    return path


@pytest.mark.parametrize("size", [0, 1, 2, 6])
def test_every_combination_adds_up_to_the_ledger(filled: Path, size: int) -> None:
    with reading(filled) as db:
        for by in itertools.combinations(DIMENSIONS, size):
            rows = costs(db, by)
            assert sum(int(str(row["nano_usd"])) for row in rows) == 3 * 61_400, by
            assert sum(int(str(row["unpriced"])) for row in rows) == 1, by
            assert sum(int(str(row["calls"])) for row in rows) == 16, by


def test_rows_say_by_what(filled: Path) -> None:
    with reading(filled) as db:
        keys = {row["key"]: (row["nano_usd"], row["unpriced"]) for row in costs(db, ["key"])}
        tags = {row["tag"]: row["calls"] for row in costs(db, ["tag"])}
        teams = {(row["tag:team"], row["purpose"]): row["calls"] for row in costs(db, ["tag:team", "purpose"])}
        assert costs(db, ["tag:none"])[0]["tag:none"] is None
        assert costs(db, ["member"], since="2026-11-24") == []
        assert costs(db, ["key"], until="2026-11-22") == []
        assert len(costs(db, ["key"], since="2026-11-23", until="2026-11-23")) == 3
    assert keys == {"one": (61_400, 0), "two": (61_400, 0), None: (61_400, 1)}
    assert tags == {"team=red": 11, "team=blue": 5}
    assert teams["blue", "judge"] == 2


def test_what_cannot_be_added_up_by_is_named(filled: Path) -> None:
    with reading(filled) as db, pytest.raises(StoreError, match="--by colour: give key, tag, router"):
        costs(db, ["member", "colour"])
