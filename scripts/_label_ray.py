"""The part of ``scripts/label_run`` that labels on Ray: the log must be that of the local run, killed or not."""

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from scripts import _labels
from scripts._runs import Question, RunFailed

if TYPE_CHECKING:
    from scripts.label_run import Bench

SHARE = 0.4
"""Of the calls, after which the driver is killed."""


def repeated(questions: list[Question], times: int, models: int | None) -> list[Question]:
    """Each question ``times`` over, numbered so that no two are the same, with the answers of the first ``models``."""
    found = []
    for turn in range(times):
        for one in questions:
            names = list(one.outputs)[:models]
            prompt = one.prompt if turn == 0 else f"{one.prompt}\n\n({turn})"
            outputs = {name: one.outputs[name] for name in names}
            worth = {name: one.preferences[name] for name in names}
            found.append(Question(prompt=prompt, outputs=outputs, preferences=worth))
    return found


async def on_ray(bench: "Bench") -> None:
    """Kill the driver of a run on Ray, start it again, and hold what came of it against the local run."""
    config, log, report = bench.config("ray"), bench.log("ray"), bench.report
    shards = bench.options.folder / "shards"
    more = ("--engine", "ray", "--labellers", "2", "--out", str(shards))
    begin, need = len(bench.served()), len(_labels.stored_calls(bench.log("undisturbed")))
    killed = await _killed(bench, config, more, begin + int(SHARE * need)) if bench.options.kills else set[str]()
    since = len(bench.served())
    ended = await bench.label(config, *more)
    served = bench.served()[begin:]
    report.figures.append(
        [
            "on Ray, two labellers",
            f"{len(bench.questions)} prompts, {ended.seconds:.0f} s, after a kill at {len(killed):,}",
        ]
    )
    repeats = _labels.repeated(served, killed, since - begin)
    report.promise(
        "killed and begun again on Ray, no stored call is repeated", [f"{repeats} calls"] * bool(repeats), "0"
    )
    wrong = _labels.differing(bench.log("undisturbed"), log)
    report.promise("the run on Ray left the rows of the local run, labels and costs", wrong, "all tables")
    wrong = _labels.ledger_wrong(log, served, bench.prices, lost=since - begin - len(killed)) + _labels.unsound(log)
    report.promise("its log is sound and its ledger what was served, less what was lost", wrong, "all")
    wrong = _shards_wrong(shards, log)
    report.promise("its Parquet shards hold the labels of the log", wrong, f"{len(list(shards.iterdir()))} files")
    before = len(bench.served())
    again = await bench.label(config, *more)
    report.promise(
        "a second run on Ray calls nobody",
        [f"{len(bench.served()) - before} calls"] * (len(bench.served()) != before),
        "0",
    )
    report.figures.append(["the same again on Ray", f"0 calls, {again.seconds:.0f} s, of it the start of Ray"])


async def _killed(bench: "Bench", config: Path, more: tuple[str, ...], target: int) -> set[str]:
    """Kill the driver once ``target`` calls were served; returns the provider's ids of those that it had stored."""
    process = await bench.start(config, *more)
    while process.returncode is None and len(bench.simulator.served) < target:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.02)
    if process.returncode is not None:
        _, errors = await process.communicate()
        raise RunFailed(f"it ended with {process.returncode} before it could be killed: {errors.decode()[-800:]}")
    process.kill()
    await process.communicate()
    # The labellers of a driver that is gone are ended by Ray, and what they had asked by then may still be stored.
    quiet, last = time.monotonic(), -1
    while time.monotonic() - quiet < 3.0:
        if (now := len(bench.simulator.served)) != last or bench.simulator.served.in_flight():
            quiet, last = time.monotonic(), now
        await asyncio.sleep(0.05)
    return _labels.stored_calls(bench.log("ray"))


def _shards_wrong(shards: Path, log: Path) -> list[str]:
    """Where the shards do not hold what the view of labels does."""
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(shards).to_pylist()
    found = {(row["row_id"], row["request_id"], row["kind"], tuple(row["best"])) for row in rows}
    must = {(row_id, id_, kind, tuple(json.loads(best))) for row_id, id_, kind, best in _labels.labelled(log)}
    return [f"{len(found ^ must)} rows differ"] * (found != must) + ["rows are there twice"] * (len(rows) != len(must))
