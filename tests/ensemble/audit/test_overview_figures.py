"""The figures of the overview, held against labels and ledger counted one by one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ensemble.audit.overview import overview
from ensemble.audit.shapes import Window
from ensemble.store import open_store
from ensemble.store.audit import rollups
from ensemble.store.keeping.connect import reading
from ensemble.store.keeping.costs import costs
from ensemble.store.queries import labels as labels_of
from ensemble.types import Label
from ensemble.upkeep import derive
from judges.aggregate._strengths import bradley_terry
from tests.ensemble.audit.conftest import a_panel
from tests.ensemble.audit.counting import counted
from tests.ensemble.store.builders import a_late, a_record, a_request

WINDOWS = [
    Window(),
    Window(since="2026-11-24", until="2026-11-25"),
    Window(router="routed"),
    Window(since="2026-11-26", router="panel"),
]


def _labels(log: Path, window: Window) -> list[Label]:
    with reading(log) as db:
        routers = dict(db.execute("SELECT id, model FROM requests").fetchall())
        return [
            one
            for one in labels_of(db, complete=False)
            if (one.arrived[:10] >= window.since and (not window.until or one.arrived[:10] <= window.until))
            and window.router in (None, routers[one.request])
        ]


async def test_what_is_wholly_unknown_is_never_nothing(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "log.db")
    record = a_record(("alpha", "beta"))
    unknown = [replace(call, usage=replace(call.usage, nano_usd=None)) for call in record.calls]
    try:
        await store.record(replace(record, calls=tuple(unknown)))
        await derive(store)
        tables = await store.read(lambda db: overview(db, Window(), {}))
    finally:
        await store.close()
    for name in ("calls", "cost", "summary"):
        assert {row["nano_usd"] for row in tables[name].rows} == {None}, name
    parts = {row["part"]: (row["nano_usd"], row["unknown"]) for row in tables["parts"].rows}
    assert (parts["Judging"], parts["Further attempts"]) == ((None, 1), (0, 0))
    with reading(tmp_path / "log.db") as db:
        assert {row["nano_usd"] for by in ([], ["member"], ["router"]) for row in costs(db, by)} == {None}


@pytest.mark.parametrize("window", WINDOWS, ids=str)
async def test_sums_are_those_of_the_labels(window: Window, log: Path) -> None:
    told = counted(_labels(log, window))
    with reading(log) as db:
        sums = rollups.cases(db, window)
        assert {name: sums[name] for name in ("cases", "ties", "all_bad")} == {
            "cases": told.cases,
            "ties": told.ties,
            "all_bad": told.all_bad,
        }
        for mine, theirs in (
            (rollups.members(db, window), told.members),
            (rollups.members(db, window, by_domain=True), told.domains),
            (rollups.pairs(db, window), told.pairs),
        ):
            assert [{name: one[name] for name in other} for one, other in zip(mine, theirs, strict=True)] == [
                pytest.approx(other) for other in theirs
            ]
        assert sorted(rollups.compared(db, 1000, window)) == sorted(told.comparisons)


async def test_late_verdicts_and_new_requests_are_counted_once(log: Path) -> None:
    store = await open_store(log)
    record = a_record(request=a_request("overturned"))
    await store.record(record)
    await derive(store)
    await store.record_late(a_late(record))
    await store.record(a_panel(a_request("one more", tags={"domain": "law"}), [0.0, 0.5, 1.0]))
    await derive(store)
    await store.close()
    told = counted(_labels(log, Window()))
    with reading(log) as db:
        assert [(row["member"], row["won"]) for row in rollups.members(db)] == [
            (row["member"], pytest.approx(row["won"])) for row in told.members
        ]
        assert "slow" in {row["member"] for row in rollups.members(db)}
        (law,) = {row["domain"] for row in rollups.members(db, by_domain=True)} - {"", "maths", "prose"}
    assert law == "law"


async def test_strengths_are_a_fit_of_all_comparisons(log: Path) -> None:
    told = counted(_labels(log, Window()))
    names = ["large", "medium", "small"]
    wins: dict[tuple[int, int], float] = {}
    for _, a, b, share in told.comparisons:
        for one, other, won in ((a, b, share), (b, a, 1 - share)):
            key = names.index(one), names.index(other)
            wins[key] = wins.get(key, 0.0) + won
    fitted = bradley_terry(3, wins)
    with reading(log) as db:
        rows: Any = overview(db, Window(), {})["strengths"].rows
    assert {row["member"]: row["strength"] for row in rows} == pytest.approx(
        dict(zip(names, fitted.strength, strict=True)), abs=1e-6
    )


async def test_the_parts_of_the_cost_are_those_of_the_ledger(log: Path) -> None:
    with reading(log) as db:
        figures = overview(db, Window(), {})
        parts: Any = {row["part"]: row for row in figures["parts"].rows}
        (judging,) = db.execute("SELECT sum(nano_usd) FROM calls WHERE purpose = 'judge'").fetchone()
        (answers,) = db.execute(
            "SELECT sum(nano_usd) FROM calls WHERE purpose = 'candidate' AND request_id IN (SELECT request_id FROM "
            "verdicts)"
        ).fetchone()
    assert parts["Judging"]["nano_usd"] == judging
    assert parts["First attempts of members"]["nano_usd"] == answers
    assert parts["Stragglers, after the answer"]["nano_usd"] == 0  # shadows are none
    (summary,) = figures["summary"].rows
    assert (summary["requests"], summary["judged"]) == (61, 60)
    spent: Any = [row["nano_usd"] for row in figures["cost"].rows]
    assert summary["nano_usd"] == sum(spent)
