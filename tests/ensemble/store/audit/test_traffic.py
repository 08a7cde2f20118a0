"""Requests and calls of a window."""

from datetime import timedelta
from pathlib import Path

import pytest

from ensemble.store import Store, open_store
from ensemble.store.audit.traffic import calls, requests
from ensemble.store.audit.window import Window
from ensemble.store.keeping.connect import reading
from tests.ensemble.store.builders import NOON, a_record, a_request

pytestmark = pytest.mark.both


async def _log(path: Path) -> None:
    store: Store = await open_store(path)
    for days, router in ((0, "panel"), (1, "panel"), (2, "other"), (2, "panel")):
        await store.record(a_record(request=a_request(model=router, arrived_at=NOON + timedelta(days=days))))
    await store.close()


@pytest.mark.parametrize(
    ("window", "found"),
    [
        (Window(), {"panel": 3, "other": 1}),
        (Window(since="2026-11-24"), {"panel": 2, "other": 1}),
        (Window(until="2026-11-24"), {"panel": 2}),
        (Window(since="2026-11-24", until="2026-11-24"), {"panel": 1}),
        (Window(router="other"), {"other": 1}),
        (Window(router="nobody"), {}),
    ],
)
async def test_requests_of_a_window_are_counted(window: Window, found: dict[str, int], path: Path) -> None:
    await _log(path)
    with reading(path) as db:
        assert {row["router"]: row["requests"] for row in requests(db, "router", window)} == found
        days = requests(db, "day", window)
        assert sum(int(str(row["requests"])) for row in days) == sum(found.values())
        total = requests(db, "total", window)
        assert [row["requests"] for row in total] == ([sum(found.values())] if found else [])


async def test_calls_of_a_window_are_summed(path: Path) -> None:
    """Calls count on the day on which they began."""
    await _log(path)
    with reading(path) as db:
        found = {row["purpose"]: row for row in calls(db, "purpose", Window(router="other"))}
        assert {name: row["calls"] for name, row in found.items()} == {"candidate": 3, "judge": 2}
        assert found["judge"]["nano_usd"] == 2 * 700
        assert [row["member"] for row in calls(db, "member")] == ["large", "medium", "referee", "small"]
        assert calls(db, "member", Window(until="2026-11-22")) == []
