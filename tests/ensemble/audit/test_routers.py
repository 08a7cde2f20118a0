"""Figures of routers are those of `ensemble evaluate` on the same log."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ensemble.audit.router_shapes import SHOWN
from ensemble.audit.routers import Measured, labels, router_tables, without_routers
from ensemble.audit.shapes import Table, Window
from ensemble.audit.trained import trained_table
from ensemble.config import load
from ensemble.server.pages._measuring import measured
from ensemble.store import open_store
from ensemble.store.keeping.connect import reading
from tests.ensemble.audit.routed import FRESH, SEEN, make, ran
from tests.ensemble.store.builders import a_record, a_ruling, a_verdict

READINGS = {told: reading for reading, told in SHOWN.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of such a log, made once."""
    return make(tmp_path_factory.mktemp("routers"))


@pytest.fixture(scope="module")
def found(made: Path) -> Measured:
    """What the page says of that log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        settings = load(Path("ensemble.toml"))
        with reading(Path("ensemble.db")) as db:
            held, sample = labels(db, Window())
        return measured(held, sample, settings)


@pytest.fixture(scope="module")
def said(made: Path) -> Any:
    """What `ensemble evaluate` says of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        return json.loads(ran("evaluate", "only", "cheap", "--json"))


def rounded(row: Any, name: str) -> dict[str, Any]:
    """A figure with its interval as `ensemble evaluate --json` writes it."""
    keys = {"point": name, "low": f"{name}_low", "high": f"{name}_high"}
    return {part: None if (cell := row[key]) is None else round(cell, 6) for part, key in keys.items()}


def whole(one: dict[str, Any]) -> dict[str, Any]:
    """Money as whole nano-USD."""
    return {part: None if value is None else round(value) for part, value in one.items()}


def by_router(table: Table, router: str) -> list[Any]:
    return [row for row in table.rows if row["router"] == router]


def test_every_figure_is_that_of_evaluate(found: Measured, said: Any) -> None:
    tables = router_tables(found)
    rows = tables["measured"].rows
    assert [(row["router"], row["kind"]) for row in rows] == [(line["name"], line["kind"]) for line in said["lines"]]
    for row, line in zip(rows, said["lines"], strict=True):
        assert row["rows"] == line["rows"] > 0
        for name in ("quality", "ratio", "saved", "regret", "seconds"):
            assert rounded(row, name) == line[name], (row["router"], name)
        assert rounded(row, "nano_usd") == whole(line["nano_usd"])
        for how in SHOWN:
            assert rounded(row, how) == line["accuracy"][how]["value"]
        assert row["calibration_error"] == (None if line["ece"] is None else pytest.approx(line["ece"], abs=1e-6))
    for line in said["lines"][:2]:
        for row in by_router(tables["accuracy"], line["name"]):
            one = line["accuracy"][READINGS[row["reading"]]]
            assert (row["labels_of"], row["n"], row["constant"]) == ("judges", one["rows"], one["constant"])
            for name in ("value", "constant_value", "margin"):
                assert rounded(row, name) == one[name]
    assert f"Measured on {said['rows']}" in tables["measured"].note
    assert f"{said['seen']} left out, since a router was fitted on them" in tables["measured"].note


def test_what_a_router_predicts_is_told(found: Measured, said: Any) -> None:
    (line,) = [one for one in said["lines"] if one["name"] == "cheap"]
    tables = router_tables(found)
    (_, *points) = by_router(tables["frontier"], "cheap")
    front = line["frontier"]
    assert [(one["nano_usd"], round(one["quality"], 6)) for one in points] == [
        (round(cost), quality) for cost, quality in front["points"]
    ]
    figures = {row["figure"]: row for row in by_router(tables["whole"], "cheap")}
    assert rounded(figures["APGR"], "value") == front["apgr"]
    assert rounded(figures["saved at 95% of the best single member's quality"], "value") == front["saved"]["0.95"]
    bins = [one for one in line["calibration"] if one["n"]]
    assert [(row["n"], round(row["right"], 6)) for row in by_router(tables["calibration"], "cheap")] == [
        (one["n"], one["right"]) for one in bins
    ]
    assert sum(row["requests"] for row in by_router(tables["picks"], "cheap")) == line["rows"]
    assert [row["request"] for row in by_router(tables["misroutes"], "only")]
    assert len(by_router(tables["curves"], "cheap")) > 1
    assert found.left_out == {"asks": "it asks large, which `ensemble evaluate --call` does"}


def test_what_training_measured_stands_beside(made: Path) -> None:
    metrics = json.loads((made / "router" / "manifest.json").read_text())["metrics"]
    rows = trained_table({"cheap": made / "router", "broken": made}).rows
    assert {row["figure"]: row["value"] for row in rows} == {
        name.replace("_", " "): one["point"] for name, one in metrics.items()
    }
    assert {(row["router"], row["kind"]) for row in rows} == {("cheap", "linear")}
    assert all(row["learned"] and row["n"] for row in rows)


def test_without_a_configuration_there_are_members_and_baselines(made: Path) -> None:
    with reading(made / "ensemble.db") as db:
        found = without_routers(db, Window())
        nothing = without_routers(db, Window(until="2020-01-01"))
        some = without_routers(db, Window(), most=40)
    kinds = [row["kind"] for row in router_tables(found)["measured"].rows]
    assert set(kinds) == {"baseline", "member"}
    assert router_tables(found)["measured"].note.startswith(f"All {SEEN + FRESH} requests with a whole panel.")
    assert router_tables(some)["measured"].note.startswith(
        f"40 of {SEEN + FRESH} requests with a whole panel, drawn evenly"
    )
    empty = router_tables(nothing)["measured"]
    assert empty.rows == []
    assert "routers need two" in empty.empty


async def test_a_label_of_a_part_of_the_panel_is_none(tmp_path: Path) -> None:
    """Its served verdict is on everybody, the fuller one, from which the label is made, not."""
    record = a_record()
    best, *others = record.authors
    store = await open_store(tmp_path / "log.db")
    await store.record(
        replace(
            record,
            rulings=(
                a_ruling(a_verdict([best], others), complete=True),
                a_ruling(a_verdict([best], others), complete=False, phase="full"),
            ),
        )
    )
    whole = a_record()
    await store.record(whole)
    await store.close()
    with reading(tmp_path / "log.db") as db:
        held, sample = labels(db, Window())
    assert (held.table.ids, sample.of) == ((whole.request.id,), 2)


def test_every_cell_has_a_column(found: Measured, made: Path) -> None:
    tables = router_tables(found) | {"trained": trained_table({"cheap": made / "router"})}
    for table in tables.values():
        for row in table.rows:
            assert set(row) == {column.name for column in table.columns}, table.name
