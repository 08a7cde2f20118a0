"""What a router loses that learns from a sample of its labels: recorded scores as Parquet shards, read as a stream.

A fifth of the questions, by hash, is measured on. Of the others Parquet shards are written, which ``ensemble train``,
a process of its own, reads: all of them, then ever smaller samples. The same questions are put to each folder, so the
loss against the full fit is a paired difference.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts import _runs

if TYPE_CHECKING:
    from ensemble.training.bootstrap import Statistic
    from ensemble.training.table import FloatArray, Table

SHARES = (1.0, 0.5, 0.25, 0.125)
SHARD_ROWS = 1000
MB = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One run of ``ensemble train``: labels learned from, what the folder predicts (n, m), and what it took."""

    learned: int
    said: "FloatArray"
    seconds: float
    peak_mb: float


@click.command(epilog="Example: scripts/bench/train_stream --data ../shared/data/routing")
@click.option(
    "--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="Recordings."
)
@click.option("--kind", default="stack", show_default=True, help="What is learned.")
def command(data: Path, kind: str) -> None:
    """Train on all labels and on samples of them; print a table of what the samples lose, with 95 % intervals."""
    from scripts._routing import nine, two

    lines = [
        *_lines("MMLU, two models: APGR", two(data, "mmlu"), kind, _apgr),
        *_lines("nine open models: mean quality", nine(data), kind, _quality),
    ]
    print(_runs.table(["figure", "labels", "found", "lost against all", "s", "peak MB"], lines))


def _lines(name: str, table: "Table", kind: str, figure: "Callable[[Table, FloatArray], Statistic]") -> list[list[str]]:
    from ensemble.training.bootstrap import interval
    from ensemble.training.splits import by_group

    learn, held = (table.take(rows) for rows in by_group(table, 0.2, seed=1))
    lines, full = list[list[str]](), None
    with tempfile.TemporaryDirectory(prefix="train-stream-") as folder:
        _shards(learn, Path(folder) / "shards")
        for share in SHARES:
            fit = _fit(Path(folder), kind, None if share == 1 else int(share * len(learn)), held)
            own = figure(held, fit.said)
            found, lost = interval(own, held.groups), "–"
            if full is None:
                full = own
            else:
                each = interval(_difference(full, own), held.groups)
                lost = f"{each.point:.3f} [{each.low:.3f}, {each.high:.3f}]"
            lines.append(
                [name, f"{fit.learned:,}", f"{found.point:.3f}", lost, f"{fit.seconds:.0f}", f"{fit.peak_mb:.0f}"]
            )
            print(" | ".join(lines[-1]), file=sys.stderr, flush=True)
    return lines


def _apgr(held: "Table", said: "FloatArray") -> "Statistic":
    from ensemble.training.curves import Pair, apgr

    scores = said[:, 1] - said[:, 0]
    return apgr(Pair(scores=scores, weak=held.quality[:, 0], strong=held.quality[:, 1]))


def _quality(held: "Table", said: "FloatArray") -> "Statistic":
    from ensemble.training.bootstrap import mean

    return mean(held.quality[range(len(held)), said.argmax(axis=1)])


def _difference(one: "Statistic", other: "Statistic") -> "Statistic":
    return lambda weights: one(weights) - other(weights)


def _shards(table: "Table", folder: Path) -> None:
    """The rows of ``table`` as an export writes them, a thousand in a file."""
    import pyarrow
    import pyarrow.parquet

    folder.mkdir()
    for begin in range(0, len(table), SHARD_ROWS):
        made = [_row(table, row) for row in range(begin, min(begin + SHARD_ROWS, len(table)))]
        path = folder / f"train-{begin // SHARD_ROWS:05d}.parquet"
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(made), path, compression="zstd")


def _row(table: "Table", row: int) -> dict[str, Any]:
    models = [
        {"model": name, "score": table.quality[row, at].item(), "nano_usd": int(table.nano_usd[row, at])}
        for at, name in enumerate(table.members)
        if not isnan(table.quality[row, at])
    ]
    return {
        "request_id": table.ids[row],
        "prompt": table.texts[row],
        "conversation": table.groups[row],
        "domain": table.domains[row],
        "models": models,
    }


def _fit(folder: Path, kind: str, sample: int | None, held: "Table") -> Fit:
    from judges.learning.folder import read
    from judges.learning.model import sample as features

    out = folder / f"router-{sample}"
    program = str(Path(sys.executable).with_name("ensemble"))
    given = [program, "train", "--config", str(folder / "none.toml"), "--data", str(folder / "shards")]
    given += ["--out", str(out), "--kind", kind, "--test", "0.05", "--json"]
    given += ["--sample", str(sample)] if sample else []
    for name in held.members:
        given += ["--member", name]
    begin = time.monotonic()
    # Of this one child alone: getrusage tells the largest of all that there ever were.
    with subprocess.Popen(given, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        told = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"ensemble train ended with {process.returncode}")
    seconds = time.monotonic() - begin
    said = read(out)[0].predict(features(held.texts))
    return Fit(learned=json.loads(told)["learned"], said=said, seconds=seconds, peak_mb=usage.ru_maxrss / MB)


if __name__ == "__main__":
    command(prog_name="scripts/bench/train_stream")
