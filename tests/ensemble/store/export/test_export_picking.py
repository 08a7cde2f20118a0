from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.errors import StoreError
from ensemble.store.address import address_of
from ensemble.store.export import Filters, export_folder, splits_of
from ensemble.store.export.picking import drawn
from ensemble.store.keeping.connect import writing
from ensemble.store.keeping.erase import Scope, erase
from tests.ensemble.store.builders import NOON, a_late, a_record, a_request
from tests.ensemble.store.export.conftest import Fill, exported, rows, spec

pytestmark = pytest.mark.both

HALF = splits_of("train=0.5,test=0.5")


async def test_no_prompt_and_no_conversation_crosses_a_split(fill: Fill) -> None:
    # Chains: every conversation shares a prompt with the next one of its dozen.
    records = [
        a_record(request=a_request(f"Prompt {(n + 1) // 2} of {dozen}?", conversation=f"talk {dozen}.{n // 2}"))
        for dozen in range(12)
        for n in range(8)
    ]
    log = await fill(*records)
    out = address_of(log).local.parent / "out"
    export_folder(log, spec("routing", filters=Filters(splits=HALF)), out)
    train, test = rows(out, "train"), rows(out, "test")
    assert len(train) + len(test) == 96
    assert train
    assert test
    for key in ("prompt_hash", "conversation"):
        assert {row[key] for row in train} & {row[key] for row in test} == set()
    # A filter moves nobody to the other side.
    one = exported(log, "routing", filters=Filters(splits=HALF, until=NOON + timedelta(days=1), dedupe=True))
    assert {row["request_id"] for row in one} <= {row["request_id"] for row in train}


@given(st.text("0123456789abcdef", min_size=4, max_size=64))
def test_who_is_drawn_for_a_smaller_share_is_drawn_for_a_larger_one(label: str) -> None:
    fifth, half = splits_of("a=0.2,b=0.8"), splits_of("a=0.5,b=0.5")
    assert drawn(label, fifth) in fifth
    assert drawn(label, fifth) == "b" or drawn(label, half) == "a"


def test_the_shares_are_kept() -> None:
    found = [drawn(f"{n:x}", {"train": Decimal("0.8"), "test": Decimal("0.2")}) for n in range(10_000)]
    assert 7_800 < found.count("train") < 8_200


@pytest.mark.parametrize("wrong", ["train", "train=0.5", "a=0.5,a=0.5", "../x=1", "a=nan,b=1", "a=1.5,b=-0.5", ""])
def test_shares_that_are_none_are_refused(wrong: str) -> None:
    with pytest.raises(StoreError, match="--split"):
        splits_of(wrong)


async def test_filters_take_what_they_name(fill: Fill) -> None:
    old = a_record(request=a_request("Same?", arrived_at=NOON - timedelta(days=9), domain="math"))
    sure = a_record(request=a_request("Same?", model="other"), verdict={"confidence": 0.95})
    unknown = a_record(request=a_request("More?"), verdict={"confidence": None}, ruling={"usable": False})
    named = a_record(request=a_request("Last?"), ruling={"judge": "court"})
    log = await fill(old, sure, unknown, named)

    def ids(**filters: object) -> list[str]:
        return [row["request_id"] for row in exported(log, "routing", filters=Filters(**filters))]  # type: ignore[arg-type]

    every = [one.request.id for one in (old, sure, unknown, named)]
    assert ids() == every
    assert ids(domain="math") == ids(until=datetime(2026, 11, 20, tzinfo=UTC)) == every[:1]
    assert ids(since=NOON) == every[1:]
    assert ids(router="other") == ids(min_confidence=0.9) == every[1:2]
    told = export_folder(
        log, spec("routing", filters=Filters(min_confidence=0.9)), address_of(log).local.parent / "sure"
    )
    assert told["coverage"]["left_out"] == {"not confident": 2, "without a confidence": 1}
    assert ids(usable_only=True) == [every[0], every[1], every[3]]
    assert ids(judge="court") == every[3:]
    assert ids(judge="j" * 64) == []
    assert ids(dedupe=True) == every[1:]


async def test_a_named_judges_later_finding_is_taken_only_when_asked_for(fill: Fill) -> None:
    record = a_record()
    again = a_late(record)
    assert again.ruling is not None
    later = replace(again, ruling=replace(again.ruling, phase="rejudged", judge="newer"))
    log = await fill(record, late=[later])
    assert [row["winner"] for row in exported(log, "routing")] == ["small"]
    assert [row["winner"] for row in exported(log, "routing", filters=Filters(judge="newer"))] == ["slow"]


async def test_an_erasure_ties_no_others_together(fill: Fill) -> None:
    """Erased requests have no hash of a prompt; those are no prompt that conversations share."""
    records = [
        a_record(request=a_request(f"{word} {n}?", conversation=f"talk {n}")) for n in range(24) for word in ("A", "B")
    ]
    log = await fill(*records)

    def splits() -> dict[str, str]:
        out = address_of(log).local.parent / f"out-{len(list(address_of(log).local.parent.iterdir()))}"
        export_folder(log, spec("calls", filters=Filters(splits=HALF, dedupe=True)), out)
        return {row["request_id"]: split for split in HALF for row in rows(out, split)}

    before = splits()
    gone = tuple(one.request.id for one in records[::2])
    with writing(log) as db:
        erase(db, log, Scope(ids=gone))
    after = splits()
    assert set(after) == set(before)
    assert {after[one] for one in gone} == {"train", "test"}
    # What is left of a conversation stays together.
    assert all(after[a.request.id] == after[b.request.id] for a, b in zip(records[::2], records[1::2], strict=True))
