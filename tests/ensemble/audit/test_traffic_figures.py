"""Traffic on the page is that of ``ensemble log stats``."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ensemble.audit.shapes import Table, Window
from ensemble.audit.traffic import calls, days, routers
from ensemble.cli import main
from ensemble.store.keeping.connect import reading


def _stats(log: Path, *options: str) -> Any:
    told = CliRunner().invoke(main, ["log", "stats", "--db", str(log), "--json", *options])
    assert told.exit_code == 0, told.output
    return json.loads(told.stdout)


def _same(table: Table, rows: list[dict[str, Any]]) -> None:
    assert len(table.rows) == len(rows) > 0
    for mine, theirs in zip(table.rows, rows, strict=True):
        assert {name: mine[name] for name in theirs} == pytest.approx(theirs)
        assert mine.get("nano_usd", 0) is not None or mine["unpriced"] == mine["calls"]


@pytest.mark.parametrize("since", ["", "2026-11-25"])
async def test_it_equals_log_stats(since: str, log: Path) -> None:
    told = _stats(log, *(["--since", since] if since else []))
    with reading(log) as db:
        window = Window(since=since)
        _same(routers(db, window), told["routers"])
        _same(days(db, window), told["days"])
        _same(calls(db, window), told["members"])
        total = sum(int(str(row["requests"])) for row in routers(db, window).rows)
    assert total == told["total"]["requests"]


async def test_the_share_answered_leaves_out_what_was_never_to_be_answered(log: Path) -> None:
    with reading(log) as db:
        found = {row["router"]: row for row in routers(db, Window()).rows}
        assert found["panel"]["answered_share"] == 1.0
        assert found["other"]["answered_share"] == 0.0
        assert found["other"]["answered_share_high"] == pytest.approx(0.79345, abs=1e-5)
        assert [row["router"] for row in routers(db, Window(router="panel")).rows] == ["panel"]
        (none,) = [row for row in calls(db, Window(router="other")).rows]
        assert (none["nano_usd"], none["unpriced"]) == (None, 1)
        assert routers(db, Window(until="2020-01-01")).rows == []
