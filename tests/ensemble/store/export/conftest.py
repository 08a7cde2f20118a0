"""A log with labelled requests of several kinds, and exports of it."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ensemble.store import open_store
from ensemble.store.address import address_of
from ensemble.store.export import FORMATS, Filters, Shape, Spec, export_folder
from ensemble.types import Record

Fill = Callable[..., Awaitable[Path]]
KNOWN = {"small": True, "medium": True, "large": True, "slow": True, "referee": True}


def spec(form: str, **changes: Any) -> Spec:
    pairs = {"preferences": "best", "pairwise": "all"}.get(form)
    shape = changes.pop("shape", Shape(pairs=pairs))  # type: ignore[arg-type]
    filters = changes.pop("filters", Filters())
    known = {"kind": "jsonl", "training_use": KNOWN, "license": "cc-by-4.0"}
    return Spec(format=FORMATS[form], shape=shape, filters=filters, **{**known, **changes})


def rows(folder: Path, split: str = "train") -> list[dict[str, Any]]:
    """What was exported as JSON lines, in order."""
    files = sorted((folder / "data").glob(f"{split}-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def exported(log: Path, form: str, **changes: Any) -> list[dict[str, Any]]:
    """The rows of one export."""
    folder = address_of(log).local.parent
    out = folder / f"out-{len(list(folder.iterdir()))}"
    export_folder(log, spec(form, **changes), out)
    return rows(out)


@pytest.fixture
def fill(path: Path) -> Fill:
    """Writes records into a new log, and what came late."""

    async def filled(*records: Record, late: Any = (), change: Any = None) -> Path:
        store = await open_store(path)
        for record in records:
            await store.record(record)
        for each in late:
            await store.record_late(each)
        if change is not None:
            await store.change(change)
        await store.close()
        return path

    return filled
