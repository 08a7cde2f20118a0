"""Load for many minutes with 10 % faults upstream: what must not grow is looked at all the while."""

import json
import sqlite3
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from scripts._runs import table
from scripts.bench._measure import PLAIN
from scripts.bench._processes import open_files, quiet, resident_mb
from scripts.bench._systems import TRANSPORTS, System, service
from scripts.bench._upstream import Upstream
from scripts.bench._wrk import load

CLIENTS = 64
WINDOWS = 30
SLACK_MB = 25.0
SLACK = {"files": CLIENTS, "tasks": 20}
"""How many more than before are no leak but a matter of the moment: connections to the mock come and go with faults."""
LAG_MS = {"lag_ms": 250.0, "own_ms": 50.0}
"""How much longer stalls may be: on a core shared with other work much of the longest is theirs, but no CPU of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How the service stood after one stretch of load, at rest but for its stalls, which are those of the stretch."""

    minute: float
    megabytes: float
    files: int
    tasks: int
    lag_ms: float
    own_ms: float
    answered: int
    failed: int

    def row(self) -> list[str]:
        """It as a line of the table."""
        sizes = [f"{self.minute:.1f}", f"{self.megabytes:.1f}", str(self.files), str(self.tasks), f"{self.lag_ms:.0f}"]
        return [*sizes, f"{self.own_ms:.0f}", f"{self.answered:,}", f"{self.failed:,}"]


def soak(folder: Path, mock: Upstream, measured: set[int], others: set[int], minutes: float) -> list[str]:
    """Load for ``minutes``; print the table; the promises that were broken."""
    watch = folder / "watched.json"
    program = (sys.executable, "-m", "scripts.bench._watched", str(watch))
    with service(folder, mock, "faults/0", measured, TRANSPORTS[0], program=program) as system:
        looks = list(_looks(system, folder, watch, others, minutes))
        answered = _answered(system)
    head = [
        "minute",
        "MB",
        "files",
        "tasks",
        "longest stall ms",
        "its own CPU in one, ms",
        "answered",
        "no good answer",
    ]
    print(table(head, [at.row() for at in looks]))
    good = sum(at.answered - at.failed for at in looks)
    print(f"\n{good:,} good answers came, {answered:,} are in the log.")
    return [*_grown(looks), *([f"{good - answered} answers are not in the log"] if answered < good else [])]


def _looks(system: System, folder: Path, watch: Path, others: set[int], minutes: float) -> Sequence[Look]:
    begin, looks = time.monotonic(), list[Look]()
    stretch = max(2.0, minutes * 60 / WINDOWS)
    while (gone := time.monotonic() - begin) < minutes * 60 or len(looks) < 4:
        url = f"{system.url}/chat/completions"
        came = load(url, PLAIN.body, folder, clients=CLIENTS, seconds=stretch, on=others)
        quiet(system.pid)
        time.sleep(1.1)  # until it has told of itself again
        told = json.loads(watch.read_text(encoding="utf-8"))
        looks.append(
            Look(
                minute=gone / 60,
                megabytes=resident_mb(system.pid),
                files=open_files(system.pid),
                tasks=told["tasks"],
                lag_ms=told["lag_ms"],
                own_ms=told["own_ms"],
                answered=came.count,
                failed=came.failed,
            )
        )
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{gone / 60:.1f} of {minutes:g} minutes ")
    return looks


def _grown(looks: Sequence[Look]) -> list[str]:
    """What was higher in the last quarter than in the second: the first one fills caches and pools."""
    quarter = max(1, len(looks) // 4)
    early, late = looks[quarter : 2 * quarter], looks[-quarter:]

    broken = []
    for name, slack in (("megabytes", SLACK_MB), *SLACK.items(), *LAG_MS.items()):
        before, after = (statistics.median(getattr(at, name) for at in part) for part in (early, late))
        print(f"{name}: {before:.0f} in the second quarter, {after:.0f} in the last")
        if after > before + slack:
            broken.append(f"{name} grew from {before:.0f} to {after:.0f}")
    return broken


def _answered(system: System) -> int:
    assert system.log is not None  # noqa: S101 - for the type checker: a service has one
    with closing(sqlite3.connect(system.log)) as db:
        count: int = db.execute("SELECT count(*) FROM requests WHERE status = 'answered'").fetchone()[0]
        return count
