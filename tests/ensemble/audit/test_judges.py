"""Figures of judges are those of `ensemble judges report` and of `ensemble rejudge` on the same log."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ensemble.audit.judges import BIASES, TITLES, judge_tables
from ensemble.audit.shapes import Table, Window
from ensemble.cli import main
from ensemble.config import load
from ensemble.rejudging.again import Options
from ensemble.rejudging.runner import Outcome, Rejudger
from ensemble.store.keeping.connect import reading
from tests.ensemble.judging.fleet import ask_all, label, simulated, tasks

QUESTIONS = 14


async def made(folder: Path) -> Outcome:
    """A log of a jury with a biased seat, what people found best, and another judge's findings on the same."""
    asked = tasks(QUESTIONS)
    async with simulated(folder, judge="panel", family="birch", position_bias=0.4) as service:
        await ask_all(service, asked)
        label(folder / "ensemble.db", asked)
        return await Rejudger(service.pipeline, Options(judge="house", run="again")).run()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The folder with log and configuration, made once; what judging again came to."""
    folder = tmp_path_factory.mktemp("judges")
    return folder, asyncio.run(made(folder))


def figures(folder: Path, window: Window | None = None, **more: Any) -> dict[str, Table]:
    settings = load(folder / "ensemble.toml")
    families = {name: one.family for name, one in settings.members.items()}
    with reading(folder / "ensemble.db") as db:
        return judge_tables(db, window or Window(), settings.judges, families, **more)


def test_what_lacks_the_configuration_says_so(log: tuple[Path, Outcome]) -> None:
    folder, _ = log
    with reading(folder / "ensemble.db") as db:
        without = judge_tables(db, Window())["biases"]
    known = figures(folder)["biases"]
    figure = TITLES["own"]
    assert figure in {row["figure"] for row in known.rows} - {row["figure"] for row in without.rows}
    assert ["needs the configuration" in table.note for table in (known, without)] == [False, True]


def plain(folder: Path) -> list[dict[str, Any]]:
    told = CliRunner().invoke(main, ["judges", "report", "--json", "--config", str(folder / "ensemble.toml")])
    assert told.exit_code == 0, told.output
    judges: list[dict[str, Any]] = json.loads(told.stdout)["judges"]
    return judges


def test_judges_are_those_of_the_report(log: tuple[Path, Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = log
    monkeypatch.chdir(folder)
    tables, said = figures(folder), plain(folder)
    assert len(said) == 4  # the jury, its seats, and the judge that judged again
    rows = tables["judges"].rows
    assert [(row["judge"], row["seat"], row["digest"]) for row in rows] == [
        (one["judge"], one["seat"], one["digest"][:12]) for one in said
    ]
    biases = {(row["judge"], row["seat"], row["figure"]): row for row in tables["biases"].rows}
    for row, one in zip(rows, said, strict=True):
        assert (row["verdicts"], row["cost"]) == (one["verdicts"], one["cost"]["nano_usd"])
        assert row["unpriced"] == one["cost"]["unpriced"]
        assert row["nano_usd"] == round(one["nano_usd"]["value"])
        for name in {*one["rates"]} - {*BIASES}:
            assert same(row, name, one["rates"][name])
        for name in BIASES:
            rate = one["rates"][name]
            key = (one["judge"], one["seat"], TITLES[name])
            assert same(biases[key], "value", rate) if rate["n"] else key not in biases
    assert all(row["accuracy_n"] for row in rows)


def same(row: Any, name: str, rate: dict[str, Any]) -> bool:
    """Whether the cells are the figure, which JSON holds at six decimals."""
    keys = {"value": name, "low": f"{name}_low", "high": f"{name}_high", "n": f"{name}_n"}
    return {part: None if (cell := row[key]) is None else round(cell, 6) for part, key in keys.items()} == rate


def test_churn_is_that_of_judging_again(log: tuple[Path, Outcome]) -> None:
    folder, outcome = log
    tables = figures(folder)
    (row,) = tables["churn"].rows
    assert (row["judge"], row["cases"], row["undecided"]) == ("house", outcome.churn.cases, outcome.churn.undecided)
    changed = outcome.churn.changed
    assert [row["changed"], row["changed_low"], row["changed_high"], row["changed_n"]] == [
        changed.value, changed.low, changed.high, changed.n,
    ]  # fmt: skip
    assert changed.value
    moved = [(one["before"], one["after"], one["cases"]) for one in tables["moved"].rows]
    assert moved == [("+".join(one.before), "+".join(one.after), one.cases) for one in outcome.churn.moved()]


def test_a_jury_and_people_are_told(log: tuple[Path, Outcome]) -> None:
    folder, _ = log
    tables = figures(folder)
    (jury,) = tables["juries"].rows
    assert (jury["jury"], jury["seats"], jury["alpha_n"]) == ("panel", 2, QUESTIONS)
    pairs = {(row["one"], row["other"]) for row in tables["agreement"].rows}
    assert ("panel", "people") in pairs
    assert ("house", "people") in pairs
    assert ("panel", "longest") not in pairs
    assert tables["certainty"].rows == tables["anchors"].rows == []


def test_a_sample_is_told_and_a_window_is_kept(log: tuple[Path, Outcome]) -> None:
    folder, _ = log
    few = figures(folder, most=5)["judges"]
    assert few.note.startswith(f"5 of {QUESTIONS} judged requests, drawn evenly")
    assert [row["verdicts"] for row in few.rows] == [5] * 4
    assert figures(folder, Window(until="2020-01-01"))["judges"].rows == []
    assert figures(folder, Window(router="best"))["judges"].rows[0]["verdicts"] == QUESTIONS


def test_every_cell_has_a_column(log: tuple[Path, Outcome]) -> None:
    folder, _ = log
    for table in figures(folder).values():
        for row in table.rows:
            assert set(row) == {column.name for column in table.columns}, table.name
        assert table.empty
