"""What members, the judge and routers earn is what ``ensemble evaluate`` finds on the same log."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ensemble.audit.shapes import Cell, Window
from ensemble.audit.worth import MOST, recent_worth, worth
from ensemble.audit.worth_tables import worth_tables
from ensemble.cli import main
from ensemble.store import open_store
from ensemble.store.keeping.connect import reading
from tests.ensemble.audit.conftest import a_failure, a_panel, routed, scores_of
from tests.ensemble.store.builders import NOON, a_record, a_request

CONFIG = """
[providers.nobody]
use = "openai"
base_url = "http://127.0.0.1:9/v1"

[members]
small = { provider = "nobody", model = "small" }
medium = { provider = "nobody", model = "medium" }
large = { provider = "nobody", model = "large" }

[judges.house]
use = "longest"

[routers.panel]
use = "parallel"
members = ["small", "medium", "large"]
judge = "house"

[routers.routed]
use = "single"
member = "small"
"""


async def _evaluated(log: Path, *arguments: str, config: str = "none.toml") -> Any:
    """The JSON of ``ensemble evaluate``, which needs an event loop of its own."""
    command = ["evaluate", *arguments, "--data", str(log), "--json", "--config", config]
    told = await asyncio.to_thread(CliRunner().invoke, main, command)
    assert told.exit_code == 0, told.output
    return json.loads(told.stdout)


def _cells(row: Any, name: str) -> dict[str, Cell]:
    """The cells of an interval as ``evaluate`` prints them."""
    return {"point": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"]}


async def test_requests_of_several_panels_say_what_to_do(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "log.db")
    try:
        for n in range(8):
            members = ("small", "medium") if n % 2 else ("large", "medium")
            await store.record(a_record(members, request=a_request(model=members[0])))
    finally:
        await store.close()
    with reading(tmp_path / "log.db") as db:
        tables, alone = (worth_tables(worth(db, Window(router=router))) for router in (None, "small"))
    told = tables["earned"].empty
    assert "none of 8 labels knows the quality of all of large, medium, small" in told
    assert "measure those of one router" in told
    assert tables["saved"].rows == []
    assert {row["name"] for row in alone["earned"].rows} == {"small", "medium", "judge"}


async def test_it_equals_evaluate_with_panels(log: Path) -> None:
    told = await _evaluated(log, "small", "--panels")
    with reading(log) as db:
        tables = worth_tables(worth(db, Window()))
    earned = {row["name"]: row for row in tables["earned"].rows}
    gains = [*told["panels"]["members"], told["panels"]["judge"]]
    assert set(earned) == {one["name"] for one in gains} == {"small", "medium", "large", "judge"}
    for one in gains:
        row = earned[one["name"]]
        assert _cells(row, "quality") == pytest.approx(one["quality"], abs=1e-6)
        assert _cells(row, "seconds") == pytest.approx(one["seconds"], abs=1e-6)
        assert _cells(row, "nano_usd") == pytest.approx(one["nano_usd"], abs=1)
    full, smallest, *best = tables["panels"].rows
    for row, panel in ((full, told["panels"]["full"]), (smallest, told["panels"]["smallest"])):
        assert row["members"] == ", ".join(panel["members"])
        assert row["quality"] == pytest.approx(panel["quality"], abs=1e-6)
        assert row["quorum"] == panel["quorum"]
    assert [row["members"] for row in best] == [", ".join(one["members"]) for one in told["panels"]["best"]]
    (cheapest,) = tables["cheapest"].rows
    assert (cheapest["member"], cheapest["n"]) == (told["cheapest"], told["rows"])
    assert _cells(cheapest, "best") == pytest.approx(told["cheapest_best"], abs=1e-6)


@pytest.mark.parametrize("router", ["panel", "routed"])
async def test_what_a_router_saved_equals_evaluate(router: str, tmp_path: Path) -> None:
    """A router that served the same member on every request, and a panel that served the best of all."""
    path, rng = tmp_path / "log.db", random.Random(2)
    store = await open_store(path)
    for number in range(30):
        request = a_request(f"question {number}", model=router)
        if router == "panel":
            await store.record(a_panel(request, scores_of(rng)))
        else:
            record, late = routed(request, scores_of(rng))
            await store.record(record)
            await store.record_late(late)
    await store.close()
    (tmp_path / "c.toml").write_text(CONFIG)
    told = await _evaluated(path, router, config=str(tmp_path / "c.toml"))
    (line,) = [one for one in told["lines"] if one["kind"] == "router"]
    with reading(path) as db:
        (row,) = worth_tables(worth(db, Window()))["saved"].rows
    assert (row["router"], row["n"], row["against"]) == (router, told["rows"], told["best_single"])
    assert _cells(row, "saved") == pytest.approx(line["saved"], abs=1e-6)
    if router == "routed":  # a judge of evaluate finds the longest of the panel's answers, that of the log another one
        assert _cells(row, "ratio") == pytest.approx(line["ratio"], abs=1e-6)
        assert (row["whole"], row["nano_usd"]) == (row["saved"], 1_000)
    else:
        # 111,000 for the members and at most two comparisons by the judge at 700, against 100,000 for large.
        assert row["saved"] == pytest.approx(-0.11)
        assert -0.11 - 0.0141 < float(str(row["whole"])) < -0.11


async def test_a_window_has_its_own_labels_and_large_logs_a_sample(log: Path) -> None:
    with reading(log) as db:
        assert worth(db, Window(router="panel")).rows == 30
        assert worth(db, Window(since="2026-11-24", until="2026-11-24")).rows == 15
        some = worth(db, Window(), most=20)
        assert (some.rows, some.total, some.sampled) == (20, 60, True)
        assert "a random 20 of 60" in some.note
        assert worth(db, Window(), most=20) == some
        assert not worth(db, Window(), most=MOST).sampled


async def test_without_labels_of_whole_panels_the_tables_say_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    store = await open_store(path)
    await store.record(a_failure(a_request(arrived_at=NOON)))
    await store.close()
    with reading(path) as db:
        tables = worth_tables(worth(db, Window()))
    assert {name: list(table.rows) for name, table in tables.items()} == {name: [] for name in tables}
    assert all("ensemble label" in table.empty for name, table in tables.items() if name != "seats")
    assert "No request was judged with the whole panel yet" in tables["earned"].note


async def test_a_saving_is_not_told_without_the_interval_of_its_quality(tmp_path: Path) -> None:
    """One conversation alone has no interval."""
    path, rng = tmp_path / "log.db", random.Random(3)
    store = await open_store(path)
    for number in range(5):
        record, late = routed(a_request(f"question {number}", model="routed", conversation="one"), scores_of(rng))
        await store.record(record)
        await store.record_late(late)
    await store.close()
    with reading(path) as db:
        (row,) = worth_tables(worth(db, Window()))["saved"].rows
    assert row["ratio"] is not None
    assert (row["ratio_low"], row["saved"], row["whole"]) == (None, None, None)


async def test_figures_are_kept_until_a_label_comes(log: Path) -> None:
    with reading(log) as db:
        first = recent_worth(db, Window())
    with reading(log) as db:
        assert recent_worth(db, Window()) is first
    store = await open_store(log)
    await store.record(a_panel(a_request("one more"), [1.0, 0.0, 0.0]))
    await store.close()
    with reading(log) as db:
        assert recent_worth(db, Window()).rows == first.rows + 1
