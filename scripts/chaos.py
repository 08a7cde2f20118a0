"""Break everything around the service, over real HTTP, and hold it to its promises.

Faults of providers and of the network between, each on one member, several, all of them, the judge, and in the middle
of streams; faults of the log; jumps of the clock; an outage; a storm of retries; kill -9 under load. The fleet is
simulated.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from scripts import _runs
from scripts._chaos_clock import Jumped, clock_jumps
from scripts._chaos_matrix import PLACES, Cell, Fault, Place, faults, matrix
from scripts._chaos_outage import Act, outage, storm
from scripts._chaos_store import Trial, store_faults
from scripts._runs import RunFailed
from scripts.crash_run import Options as Crash
from scripts.crash_run import Outcome, crash

PROMISES = (
    "Whenever one candidate is good, the client gets it before its deadline.",
    "Without a candidate the client gets a documented error before its deadline, in the shape that its SDK parses.",
    "The log says what happened: who failed and how, and that a rule chose where no judge could, which is no label.",
    "Every call that reached a provider is a line of the ledger; an unknown price is never 0.",
    "No task, call, connection or file is left behind.",
    "While the log cannot be written, requests are refused by name before their deadline, or spilled, and none "
    "that was acknowledged is lost; then it goes on by itself.",
    "A jump of the wall clock changes no answer.",
    "A provider that is down is asked by probes alone, and again as before when it is back.",
    "Retries stay within a provider's limits.",
    "kill -9 loses no acknowledged request and leaves none half-written.",
)
SHARE = 0.5
"""Of the matrix that is played without ``--full``; faults of one member are played in any case."""
KILLS, ALL_KILLS, IN_FLIGHT = 10, 50, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that was played; ``seconds`` it took."""

    cells: Sequence[Cell]
    trials: Sequence[Trial]
    jumped: Jumped
    acts: Sequence[Act]
    crashes: Outcome
    seconds: float

    @property
    def wrong(self) -> list[str]:
        """Every breach of a promise."""
        found = [f"{cell.fault} on {cell.place}: {breach}" for cell in self.cells for breach in cell.breaches]
        found += [f"{trial.name}: {breach}" for trial in self.trials for breach in trial.breaches]
        found += [f"clock: {breach}" for breach in self.jumped.breaches]
        found += [f"{act.name}: {breach}" for act in self.acts for breach in act.breaches]
        return found + self.crashes.wrong


def plan(seed: int, *, full: bool) -> list[tuple[Fault, Place]]:
    """Which faults are played where: all of them on one member, and a share of the rest, or all of that."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    every = [(fault, place) for place in PLACES for fault in faults()]
    return [(fault, place) for fault, place in every if full or place == "one" or draw.random() < SHARE]


async def play(seed: int, *, full: bool, kills: int) -> Report:
    """Play it all, one thing after the other.

    Raises:
        RunFailed: fleet or server could not be started.
    """
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        return Report(
            cells=await matrix(folder, plan(seed, full=full)),
            trials=await store_faults(folder),
            jumped=await clock_jumps(folder / "clock"),
            acts=[*await outage(folder / "outage"), *await storm(folder / "storm")],
            crashes=await crash(Crash(database=folder / "crash.db", in_flight=IN_FLIGHT, rounds=kills, seed=seed)),
            seconds=time.monotonic() - begin,
        )


def written(report: Report) -> str:
    """The report for people to read, as Markdown."""
    return "\n\n".join(
        [
            "What is promised:\n" + "\n".join(f"{at}. {promise}" for at, promise in enumerate(PROMISES, 1)),
            _matrix(report.cells),
            _runs.table(
                ["fault of the log", "answered", "refused", "breaches"],
                [
                    [
                        one.name,
                        str(one.answered),
                        str(one.refused),
                        f"skipped: {one.skipped}" if one.skipped else str(len(one.breaches)),
                    ]
                    for one in (
                        *report.trials,
                        Trial(
                            name="clock jumps",
                            answered=report.jumped.answered,
                            breaches=report.jumped.breaches,
                            skipped=report.jumped.skipped,
                        ),
                    )
                ],
            ),
            _runs.table(
                ["outage and storm", "calls that arrived", "allowed", "breaches"],
                [[act.name, act.arrived, act.allowed, str(len(act.breaches))] for act in report.acts],
            ),
            f"kill -9: {len(report.crashes.rounds)} times with {IN_FLIGHT} requests in flight, "
            f"{len(report.crashes.replies)} answered, {len(report.crashes.wrong)} breaches",
            *[f"BREACH: {breach}" for breach in report.wrong[:40]],
        ]
    )


def _matrix(cells: Sequence[Cell]) -> str:
    """One line per fault: what the ledger called it, how many places it was played in, the slowest answer."""
    rows = []
    for name in dict.fromkeys(cell.fault for cell in cells):
        own = [cell for cell in cells if cell.fault == name]
        failures = sorted({failure for cell in own for failure in cell.failures if failure != "cancelled"})
        rows.append(
            [
                name,
                ", ".join(failures) or "none",
                str(len(own)),
                str(sum(not cell.told for cell in own)),
                ", ".join(sorted({cell.told for cell in own if cell.told})) or "-",
                f"{max(cell.seconds for cell in own):.2f} s",
                str(sum(bool(cell.breaches) for cell in own)),
            ]
        )
    return _runs.table(
        ["simulated: fault", "ledger says", "played", "answered", "else told", "slowest", "breaches"], rows
    )


@click.command(epilog="Example: scripts/chaos")
@click.option("--full", is_flag=True, help="Every fault in every place, and 50 kills.")
@click.option("--kills", type=click.IntRange(min=1), help=f"How often to kill -9; {KILLS} if not given.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the sample and of the moments.")
def command(full: bool, kills: int | None, seed: int) -> None:
    """Break everything around the service and hold it to its promises; exits with 1 where one is not kept."""
    try:
        report = asyncio.run(play(seed, full=full, kills=kills or (ALL_KILLS if full else KILLS)))
    except RunFailed as error:
        raise click.ClickException(str(error)) from error
    print(written(report))
    told = f"{len(report.wrong)} BREACHES" if report.wrong else "every promise was kept"
    print(f"scripts/chaos: {told}, {len(report.cells)} faults in their places, {report.seconds:.0f} s", file=sys.stderr)
    sys.exit(1 if report.wrong else 0)


if __name__ == "__main__":
    command(prog_name="scripts/chaos")
