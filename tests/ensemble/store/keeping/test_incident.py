"""What went wrong, in kinds."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from ensemble.store import Store
from ensemble.store.keeping.connect import reading
from ensemble.store.keeping.incident import incident
from tests.ensemble.store.builders import NOON, a_call, a_late, a_record, a_request

pytestmark = pytest.mark.both


async def test_an_incident_in_kinds_members_times_and_examples(store: Store, path: Path) -> None:
    records = []
    for number in range(5):
        record = a_record(request=a_request(arrived_at=NOON + timedelta(minutes=number)))
        failed = a_call(record.request.id, "large", failure="timeout", detail=f"try {number}",
                        started_at=NOON + timedelta(minutes=number))  # fmt: skip
        await store.record(replace(record, calls=(*record.calls, failed)))
        records.append(record)
    ids = [record.request.id for record in records]
    lost = a_record(request=a_request(arrived_at=NOON + timedelta(hours=1)), status="failed", chosen=None,
                    error="deadline_exceeded", error_detail="too late", fallback="member_order",
                    verdict={"outcome": "failed", "winners": (), "reason": "no answer"})  # fmt: skip
    await store.record(lost)
    await store.record_late(a_late(records[-1]))
    with reading(path) as db:
        found = cast("dict[str, Any]", incident(db, "2026-11-23T12:01:00.000000Z"))
        later = cast("dict[str, Any]", incident(db, "2026-11-24"))
    assert (found["requests"], found["deadlines"]) == (5, 1)
    (calls,) = found["failed_calls"]
    assert (calls["kind"], calls["who"], calls["count"]) == ("timeout", "large", 4)
    assert (calls["first"][:16], calls["last"][:16]) == ("2026-11-23T12:01", "2026-11-23T12:04")
    assert calls["examples"] == ids[:1:-1]
    assert calls["detail"] == "try 4"
    assert [one["kind"] for one in found["refused_requests"]] == ["deadline_exceeded"]
    assert [one["kind"] for one in found["fallbacks"]] == ["member_order"]
    assert [(one["kind"], one["who"], one["detail"]) for one in found["judge_failures"]] == [
        ("failed", "house", "no answer")
    ]
    assert [one["examples"] for one in found["overturned"]] == [[ids[4]]]
    assert later["requests"] == 0
    assert later["failed_calls"] == []
