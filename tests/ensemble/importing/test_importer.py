"""What an import leaves in the log, and that everything below works on it."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.ensemble.importing.intake import ROWS, candidates, labels, log_of, put, rejected, take


def select(file: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(file.parent / "log.db")) as db:
        return db.execute(sql).fetchall()


def contents(file: Path) -> dict[str, list[Any]]:
    tables = ("requests", "plans", "calls", "candidates", "verdicts", "scores", "dataset_rows")
    return {table: select(file, f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in tables}  # noqa: S608 - own names


def test_rows_become_labels(tmp_path: Path) -> None:
    file = put(tmp_path / "outputs.jsonl", ROWS)
    told = take(file, "candidates")
    assert {name: told[name] for name in ("rows", "rejected", "requests", "candidates", "known", "verdicts")} == {
        "rows": 3,
        "rejected": 0,
        "requests": 3,
        "candidates": 5,
        "known": 0,
        "verdicts": 2,
    }
    a, b = labels(file)
    assert (a.best, a.scores, a.judged_by, a.origin) == (
        ("new",),
        {"new": 1.0, "old": 0.25},
        "imported:outputs",
        "import",
    )
    assert (a.kind, a.complete, a.usable, a.confidence, a.domain, a.reference) == (
        "full",
        True,
        True,
        None,
        "math",
        "4",
    )
    # Unknown is null and never 0.
    assert (a.nano_usd, a.total_s) == ({"new": None, "old": 1000}, {"new": 0.5, "old": None})
    assert (b.best, b.scores, b.complete) == (("old",), {}, True)
    assert {(row.member, row.member_digest) for row in candidates(file)} == {("old", None), ("new", None)}
    assert {(row.transport, row.price) for row in log_of(file).calls()} == {("import", None)}
    assert select(file, "SELECT dataset, row_id, position FROM dataset_rows ORDER BY position") == [
        ("outputs", "a", 1),
        ("outputs", "b", 2),
        ("outputs", "c", 3),
    ]


def test_importing_again_adds_nothing(tmp_path: Path) -> None:
    file = put(tmp_path / "outputs.jsonl", [*ROWS, ROWS[0]])
    take(file, "candidates")
    before = contents(file)
    told = take(file, "candidates")
    assert (told["requests"], told["candidates"], told["verdicts"], told["known"]) == (0, 0, 0, 7)
    assert contents(file) == before


def test_a_row_of_the_same_prompt_adds_its_members(tmp_path: Path) -> None:
    more = {"prompt": "2 + 2?", "candidates": [{"member": "third", "text": "four", "score": 0.75}]}
    file = put(tmp_path / "outputs.jsonl", [*ROWS[:1], more])
    assert take(file, "candidates")["requests"] == 1
    (label,) = labels(file)
    assert (label.best, label.complete) == (("new",), True)
    assert label.scores == {"new": 1.0, "old": 0.25, "third": 0.75}
    ((stages,),) = select(file, "SELECT stages FROM plans")
    assert json.loads(stages)[0]["members"] == ["old", "new", "third"]


def test_several_samples_of_a_member(tmp_path: Path) -> None:
    given = [("4", 1.0), ("4", 0.5), ("5", 0.0)]
    row = {"prompt": "2 + 2?", "candidates": [{"member": "m", "text": text, "score": score} for text, score in given]}
    file = put(tmp_path / "outputs.jsonl", [row])
    take(file, "candidates")
    assert sorted(row.sample for row in candidates(file)) == [0, 1, 2]
    (label,) = labels(file)
    assert (label.best, label.usable) == (("m",), False)  # there is nobody to choose from
    assert label.scores["m"] == 0.5
    assert label.spread["m"] > 0
    told = take(file, "candidates")
    assert (told["known"], told["candidates"], told["verdicts"]) == (3, 0, 0)


def test_corrected_scores_are_a_new_finding(tmp_path: Path) -> None:
    file = put(tmp_path / "outputs.jsonl", ROWS[:1])
    take(file, "candidates")
    mended = {**ROWS[0], "candidates": [{**one, "score": 0.5} for one in ROWS[0]["candidates"]]}
    told = take(put(file, [mended]), "candidates")
    assert (told["candidates"], told["verdicts"]) == (0, 1)
    (label,) = labels(file)
    assert label.best == ("new", "old")


def test_all_bad_and_tie(tmp_path: Path) -> None:
    file = put(tmp_path / "outputs.jsonl", [{**ROWS[1], "best": "all_bad"}, {**ROWS[0], "best": "tie"}])
    take(file, "candidates")
    assert [(label.kind, label.best) for label in labels(file)] == [
        ("all_bad", ("new", "old")),
        ("full", ("new", "old")),
    ]


def test_bad_rows_go_to_the_rejects(tmp_path: Path) -> None:
    bad = [
        {"prompt": "x"},
        {"prompt": "x", "candidates": [{"member": "m"}]},
        {"prompt": "x", "candidates": [{"member": "", "text": "t"}]},
        {"prompt": "x", "candidates": [{"member": "m", "text": "t", "score": 7}]},
        {"prompt": "x", "candidates": [{"member": "m", "text": "t", "cost_usd": -1}]},
        {"prompt": "x", "candidates": [{"member": "m", "text": "t"}], "best": "n"},
        {"candidates": [{"member": "m", "text": "t"}]},
        {"prompt": "x", "candidates": [{"member": "m", "text": "t", "socre": 1}]},
    ]
    file = put(tmp_path / "outputs.jsonl", [ROWS[0], *bad])
    told = take(file, "candidates", code=3)
    assert (told["rejected"], told["requests"]) == (8, 1)
    found = rejected(file, "outputs")
    assert [row["line"] for row in found] == [*range(2, 10)]
    hints = ["candidates: ", "candidates.0.text", "candidates.0.member", "--scale", "cost_usd: it must not"]
    hints += ["no candidate 'n'", "neither a prompt", "candidates.0.socre"]
    for row, hint in zip(found, hints, strict=True):
        assert hint in row["reason"], row


def test_a_scale_of_scores(tmp_path: Path) -> None:
    row = {"prompt": "x", "candidates": [{"member": "m", "text": "t", "score": 7}, {"member": "n", "text": "u"}]}
    file = put(tmp_path / "outputs.jsonl", [row])
    take(file, "candidates", "--scale", "1:10")
    (label,) = labels(file)
    assert label.scores == pytest.approx({"m": 2 / 3})
    assert not label.complete


def test_the_log_has_the_order_of_the_file(tmp_path: Path) -> None:
    rows = [{"prompt": f"{n}?", "candidates": [{"member": "m", "text": "t", "score": 1}]} for n in range(150)]
    file = put(tmp_path / "outputs.jsonl", rows)
    take(file, "candidates")
    assert [label.messages[0]["content"] for label in labels(file)] == [f"{n}?" for n in range(150)]
