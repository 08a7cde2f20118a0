"""A file taken into a real log by the command line, and what the log then holds."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from ensemble.cli import main
from ensemble.importing.given import Given
from ensemble.labelling.rows import Reject, RowReader
from ensemble.store.notebook import Log, read
from ensemble.store.notebook_rows import CandidateRow, LabelRow

ROWS: list[dict[str, Any]] = [
    {
        "id": "a",
        "prompt": "2 + 2?",
        "reference": "4",
        "domain": "math",
        "candidates": [
            {"member": "old", "text": "5", "score": 0.25, "cost_usd": 0.000001},
            {"member": "new", "text": "4", "score": 1, "latency_s": 0.5},
        ],
    },
    {
        "id": "b",
        "prompt": "3 + 3?",
        "candidates": [{"member": "old", "text": "6"}, {"member": "new", "text": "six"}],
        "best": "old",
    },
    {"id": "c", "prompt": "4 + 4?", "candidates": [{"member": "old", "text": "8"}]},
]


def put(path: Path, rows: Iterable[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def take(file: Path, form: str, *more: str, code: int = 0) -> dict[str, Any]:
    """What an import reports; the log stands beside the file."""
    told = run("import", str(file), "--format", form, "--db", str(file.parent / "log.db"), "--json", *more)
    assert told.exit_code == code, told.output
    return dict(json.loads(told.stdout))


def run(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


def log_of(file: Path) -> Log:
    return read(file.parent / "log.db")


def labels(file: Path) -> list[LabelRow]:
    return list(log_of(file).labels())


def candidates(file: Path) -> list[CandidateRow]:
    return list(log_of(file).candidates())


def rejected(file: Path, name: str) -> list[dict[str, Any]]:
    bad = file.parent / f"log.db.rejects-{name}.jsonl"
    return [json.loads(line) for line in bad.read_text().splitlines()]


def first(make: Callable[..., Any], row: object) -> Given | Reject:
    """What a format makes of one row."""
    (found,) = make(READER).read(iter([(1, row)]))
    assert isinstance(found, Given | Reject)
    return found


def _parse(body: bytes) -> Any:
    from ensemble.dialects import openai_chat

    return openai_chat.parse(body).prompt


READER = RowReader(parse=_parse)
