"""Every format in every file format is read back by others, whole; and what fails leaves nothing behind."""

import asyncio
import csv
import hashlib
import io
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ensemble.errors import StoreError
from ensemble.store.export import (
    FORMATS,
    KINDS,
    Bias,
    Filters,
    Shape,
    export_file,
    export_folder,
    export_stream,
    splits_of,
)
from ensemble.store.export.cells import unquoted
from ensemble.store.export.fields import arrow_schema
from tests.ensemble.store.builders import a_late, a_record, a_request
from tests.ensemble.store.export.conftest import Fill, rows, spec

SPLITS = Filters(splits=splits_of("train=0.6,test=0.4"))
LOAD = """
import json, sys
from datasets import load_dataset
cache, *folders = sys.argv[1:]
told = {}
for folder in folders:
    found = load_dataset(folder, cache_dir=cache)
    told[folder] = {split: [len(part), part.column_names] for split, part in found.items()}
print(json.dumps(told))
"""


async def a_log(fill: Fill, requests: int = 9) -> Path:
    records = [
        a_record(request=a_request(f"=1+{n}, 'quoted' | piped\n{n}\ud83d", conversation=f"c{n // 2}"))
        for n in range(requests)
    ]
    return await fill(*records, late=[a_late(one, wins=n == 0) for n, one in enumerate(records[:2])])


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMATS)
async def test_equal_exports_have_equal_bytes_and_true_manifests(form: str, kind: str, fill: Fill) -> None:
    log = await a_log(fill)
    before = log.read_bytes()
    one, two = log.parent / "one", log.parent / "two"
    changes: dict[str, Any] = {"kind": kind, "filters": SPLITS, "shard_rows": 4}
    tree = export_folder(log, spec(form, **changes), one)
    export_folder(log, spec(form, **changes), two)
    assert bytes_of(one) == bytes_of(two)
    assert log.read_bytes() == before
    assert json.loads((one / "manifest.json").read_text()) == tree
    for file in tree["files"]:
        content = (one / file["path"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert file["rows"] <= 4
        assert (one / file["path"]).stat().st_mode & 0o077 == 0
    assert tree["rows"] == sum(tree["splits"].values()) == sum(file["rows"] for file in tree["files"]) > 0
    assert sorted(p.name for p in (one / "data").iterdir()) == sorted(Path(f["path"]).name for f in tree["files"])
    assert not any(str(log.parent) in content.decode(errors="replace") for content in bytes_of(one).values())


@pytest.mark.parametrize("form", FORMATS)
async def test_parquet_csv_and_sqlite_hold_what_json_lines_hold(form: str, fill: Fill) -> None:
    log = await a_log(fill)
    paths = {kind: log.parent / f"rows.{kind}" for kind in KINDS}
    trees = {kind: export_file(log, spec(form, kind=kind), path) for kind, path in paths.items()}
    found = [json.loads(line) for line in paths["jsonl"].read_text(encoding="utf-8").splitlines()]
    assert len(found) == trees["jsonl"]["rows"] > 0

    table = pq.read_table(paths["parquet"])
    columns = FORMATS[form].columns(Shape(members=("large", "medium", "slow", "small")))
    assert table.schema.equals(arrow_schema(columns))
    assert [_slim(row) for row in table.to_pylist()] == [_slim(row) for row in found]

    with paths["csv"].open(encoding="utf-8", newline="") as file:
        head, *cells = csv.reader(file)
    assert len(cells) == len(found)
    for row, line in zip(found, cells, strict=True):
        assert [_of_cell(cell, row[name]) for name, cell in zip(head, line, strict=True)] == list(row.values())
    database = sqlite3.connect(":memory:")
    named = ", ".join(f'"{name}"' for name in head)
    database.execute(f"CREATE TABLE rows ({named})")
    database.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(head))})", cells)  # noqa: S608 - our names
    assert database.execute("SELECT count(*) FROM rows").fetchone() == (len(found),)
    database.close()


def _slim(tree: Any) -> Any:
    """Without what is null: JSON lines leave it out of messages."""
    if isinstance(tree, dict):
        return {name: _slim(value) for name, value in tree.items() if value is not None}
    return [_slim(value) for value in tree] if isinstance(tree, list) else tree


def _of_cell(cell: str, like: object) -> object:
    """The value that a cell stands for, where ``like`` is of its type."""
    if isinstance(like, str):
        return unquoted(cell)
    return None if cell == "" else json.loads(cell)


@pytest.mark.timeout(600)
async def test_datasets_loads_every_folder_with_its_splits(fill: Fill) -> None:
    log = await a_log(fill)
    trees: dict[str, Any] = {}
    for form in FORMATS:
        for kind in KINDS:
            out = log.parent / f"{form}-{kind}"
            trees[str(out)] = export_folder(log, spec(form, kind=kind, filters=SPLITS, shard_rows=5), out)
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", LOAD, str(log.parent / "cache"), *trees],
        capture_output=True, text=True, timeout=550, check=False, env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    for folder, splits in json.loads(done.stdout).items():
        made = FORMATS[trees[folder]["format"]]
        columns = [field.name for field in made.columns(Shape(members=("large", "medium", "slow", "small")))]
        assert splits == {name: [count, columns] for name, count in trees[folder]["splits"].items() if count}


async def test_the_card_tells_members_judges_bias_and_licence(fill: Fill) -> None:
    log = await a_log(fill)
    bias = Bias(judge="house", seat="", digest="j" * 64, verdicts=9, rates={"picks the longer": "0.500 n=9"})
    other = Bias(judge="else", seat="", digest="e" * 64, verdicts=9, rates={"picks the longer": "0.987 n=9"})
    export_folder(log, spec("sft", license="cc0-1.0"), log.parent / "out", biases=[bias, other])
    card = (log.parent / "out" / "README.md").read_text(encoding="utf-8")
    assert card.startswith('---\nlicense: "cc0-1.0"\n')
    assert "| `small` | 2026-11-23 | 2026-11-23 | 9 | `vendor-model-1` |" in card
    assert "0.500 n=9" in card
    assert "0.987" not in card
    assert "`pairwise@1f3a`" in card
    assert "**not redacted**" in card


async def test_a_folder_needs_a_licence_and_never_replaces_what_is_no_export(fill: Fill) -> None:
    log = await a_log(fill, 2)
    out = log.parent / "out"
    with pytest.raises(StoreError, match="--license"):
        export_folder(log, spec("sft", license=None), out)
    with pytest.raises(StoreError, match="no identifier"):
        export_folder(log, spec("sft", license="mine: yes\n"), out)
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match="no earlier export"):
        export_folder(log, spec("sft"), out, force=True)
    assert [file.name for file in out.iterdir()] == ["thesis.txt"]


async def test_an_earlier_export_is_replaced_by_force_alone(fill: Fill) -> None:
    log = await a_log(fill, 2)
    out, file = log.parent / "out", log.parent / "one.jsonl"
    export_folder(log, spec("sft"), out)
    export_file(log, spec("sft"), file)
    with pytest.raises(StoreError, match="--force"):
        export_folder(log, spec("routing"), out)
    with pytest.raises(StoreError, match="--force"):
        export_file(log, spec("routing"), file)
    export_folder(log, spec("routing"), out, force=True)
    tree = export_file(log, spec("routing"), file, force=True)
    assert json.loads((out / "manifest.json").read_text())["format"] == "routing"
    assert json.loads((log.parent / "one.jsonl.manifest.json").read_text()) == tree
    assert [path.name for path in log.parent.iterdir() if "partial" in path.name] == []


async def test_what_fails_midway_leaves_nothing(fill: Fill) -> None:
    log = await a_log(fill, 3)
    with sqlite3.connect(log) as db:
        db.execute("UPDATE requests SET messages = '{' WHERE id = (SELECT max(id) FROM requests)")
    db.close()
    with pytest.raises(ValueError, match="property name"):
        export_folder(log, spec("sft"), log.parent / "out")
    with pytest.raises(ValueError, match="property name"):
        export_file(log, spec("sft"), log.parent / "one.jsonl")
    left = {path.name for path in log.parent.iterdir()} - {"ensemble.db", "ensemble.db-wal", "ensemble.db-shm"}
    assert left == set()


async def test_a_stream_has_the_bytes_of_the_file(fill: Fill) -> None:
    log = await a_log(fill, 2)
    for kind in KINDS:
        output, file = io.BytesIO(), log.parent / f"one.{kind}"
        export_stream(log, spec("preferences", kind=kind), output)
        export_file(log, spec("preferences", kind=kind), file)
        assert output.getvalue() == file.read_bytes()


async def test_an_empty_selection_is_an_export_too(fill: Fill) -> None:
    log = await a_log(fill, 1)
    for kind in KINDS:
        tree = export_folder(log, spec("sft", kind=kind, filters=Filters(domain="none")), log.parent / kind)
        assert tree["rows"] == 0
    assert rows(log.parent / "jsonl") == []
