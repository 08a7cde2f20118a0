"""``scripts/label_run``: labelling keeps its promises through kills and caps, and the script would notice if not."""

import asyncio
import gzip
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from scripts import _labels, _runs
from scripts._runs import Question
from scripts.label_run import Options, Report, command, run

MODELS = ("amber", "birch", "cedar", "dune")
PRICES = {"input": 0.1234567, "output": 4.0000005}


def questions() -> list[Question]:
    return [
        Question(
            prompt=f"Question {at}: which number is {at * 7919 % 100_003}?",
            outputs={name: "" if at == 3 and name == "dune" else f"{name} says {at}. " * 5 for name in MODELS},
            preferences={name: ((at + rank) % 4) / 4 for rank, name in enumerate(MODELS)},
        )
        for at in range(8)
    ]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("label")
    _runs.write_recording(folder / "made.jsonl.gz", questions())
    listed = {name: PRICES for name in (*MODELS, "gpt-4-1106-preview")}
    (folder / "prices.json").write_text(json.dumps({"models": listed}), encoding="utf-8")
    options = Options(data=folder / "made.jsonl.gz", folder=folder / "logs", kills=1, seed=3, concurrency=4, parts=2)
    return asyncio.run(run(options)), folder / "logs"


@pytest.mark.timeout(300)  # four starts of the program
def test_every_promise_is_kept(done: tuple[Report, Path]) -> None:
    report, _ = done
    assert report.broken == []
    assert len(report.promises) == 7


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("DELETE FROM candidates WHERE rowid = 5", "candidates"),
        ("UPDATE calls SET nano_usd = nano_usd + 1 WHERE purpose = 'candidate' AND rowid < 4", "calls of members"),
        ("UPDATE verdicts SET usable = 0 WHERE rowid = 2", "verdicts"),
        ("UPDATE candidates SET text = text || '.' WHERE rowid = 7", "candidates"),
        ("DELETE FROM dataset_rows WHERE position = 3", "data set"),
    ],
)
def test_a_log_that_differs_is_noticed(done: tuple[Report, Path], tmp_path: Path, sql: str, table: str) -> None:
    _, logs = done
    copy = Path(shutil.copy(logs / "killed.db", tmp_path))
    with closing(sqlite3.connect(copy)) as db:
        db.execute(sql)
        db.commit()
    assert table in _labels.differing(logs / "undisturbed.db", copy)


def test_a_recording_in_another_format_is_a_sentence(tmp_path: Path) -> None:
    with gzip.open(path := tmp_path / "other.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.write('{"prompt": "Why?", "answer": "So."}\n')
    told = CliRunner().invoke(command, ["--data", str(path)])
    assert told.exit_code == 1
    assert told.stderr == f"Error: {path} is no recording as alpaca_fleet.jsonl.gz: a line lacks 'models'\n"
