"""``scripts/drift_run``, reduced: half of the requests in the shadow, one run of each kind, a coarser error rate."""

import asyncio
from pathlib import Path

import pytest

from scripts.drift_run import Options, run, written

pytestmark = pytest.mark.timeout(300)


def reduced(folder: Path, **changes: float) -> Options:
    sizes = {"share": 0.5, "alpha": 0.01, "before": 50, "learn": 120, "most": 1000}
    return Options(folder=folder, anchors=10, spoilt=1, unchanged=1, requests=80, **{**sizes, **changes})  # type: ignore[arg-type]


def test_every_promise_is_kept(tmp_path: Path) -> None:
    options = reduced(tmp_path)
    report = asyncio.run(run(options))
    assert [f"{each.name}: {each.found}" for each in report.broken] == []
    assert len(report.promises) == 4
    assert "found (simulated)" in written(report, options)
