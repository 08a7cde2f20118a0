"""Show the main job on a simulated fleet, without any key."""

import asyncio
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import click
from rich.console import Console

from ensemble.cli._interrupt import undelayed
from ensemble.cli._output import columns, put, screen
from ensemble.cli._showcase import PICKED, Score, simulated_fleet, some_tasks, write_config
from ensemble.cli._story import Story
from ensemble.config import load
from ensemble.errors import ConfigError, EnsembleError, StoreError
from ensemble.money import total
from ensemble.plurals import counted
from ensemble.service import Service, open_service
from ensemble.simulator.tasks import Task

TABLES = ("requests", "plans", "calls", "candidates", "verdicts", "scores", "preferences", "exchanges")


@click.command(epilog="Example: ensemble demo --questions 2")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("ensemble-demo"),
    show_default=True,
    help="Where configuration and log are left to look at.",
)
@click.option(
    "--questions", type=click.IntRange(1, 50), default=len(PICKED), show_default=True, help="How many are asked."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8901,
    show_default=True,
    help="Where the simulated fleet listens; where it is taken, a free one.",
)
@click.option("--full", is_flag=True, help="Label, train, compare every kind of router, and serve the winner.")
@click.option("--learn", type=click.IntRange(10), default=600, show_default=True, help="With --full: to label.")
@click.option("--score", type=click.IntRange(2), default=400, show_default=True, help="With --full: to compare on.")
@click.option("--requests", type=click.IntRange(0), default=200, show_default=True, help="With --full: to the winner.")
@click.option("--seed", type=int, default=0, show_default=True, help="With --full: of tasks, answers and errors.")
def command(
    folder: Path, *, questions: int, port: int, full: bool, learn: int, score: int, requests: int, seed: int
) -> None:
    """Start a simulated fleet, ask it a few questions, and show candidates, verdicts, costs and the log.

    With --full it goes the whole way from labels to a served router. Everything in it is simulated: nothing leaves this
    machine and nothing is paid.
    """
    try:
        if full:
            from ensemble.cli._full import show
            from ensemble.showcase.drive import Options

            asyncio.run(show(folder, Options(learn=learn, score=score, seed=seed), requests, port))
        else:
            asyncio.run(_demo(folder, questions, port))
    except (OSError, ConfigError, EnsembleError, StoreError) as error:
        raise click.ClickException(f"the demo cannot run: {error}") from error
    except KeyboardInterrupt:
        click.echo("\nStopped; nothing is left running.", err=True)
        raise SystemExit(130) from None


async def _demo(folder: Path, questions: int, port: int) -> None:
    console = screen()
    async with simulated_fleet(port) as simulator:
        config = write_config(folder, simulator)
        put(console, ("Everything here is simulated", "bold yellow"), ": models, answers, prices and latencies.")
        put(console, f"A simulated fleet listens at {simulator.base_url}; {config} is its configuration.")
        async with open_service(undelayed(load(config))) as service:
            score = await _ask(console, service, some_tasks(questions))
            rows = await service.store.counts()
    _summary(console, score)
    _next(console, config, simulator.port, rows)


async def _ask(console: Console, service: Service, tasks: list[Task]) -> Score:
    score = Score()
    for number, task in enumerate(tasks, 1):
        put(console)
        put(console, (f"Question {number} of {len(tasks)}: {task.prompt}", "bold cyan"))
        story = Story(console, cost="Simulated cost")
        try:
            answer = await service.ask(task.prompt, on_event=story)
        finally:
            story.close()
        right, wrong = score.add(task, answer)
        known = f"The simulated truth is {task.truth}; right: {', '.join(right) or 'nobody'}"
        put(console, known + (f"; wrong: {', '.join(wrong)}" if wrong else ""))
    return score


def _summary(console: Console, score: Score) -> None:
    picked = "picked for their differences" if score.asked <= len(PICKED) else f"{len(PICKED)} of them picked"
    put(console)
    put(console, (f"By the simulated truth of {counted(score.asked, 'question')}", "bold"), f", {picked}:")
    rows = [("the judge's choice", f"{score.chosen} right", f"simulated cost {total(score.spent)} with judge")]
    for name, right in sorted(score.right.items(), key=lambda each: -each[1]):
        rows.append((f"always {name}", f"{right} right", f"simulated cost {total(score.costs[name])}"))
    columns(console, rows, {"the judge's choice": "green"})


def _next(console: Console, config: Path, port: int, rows: Mapping[str, int]) -> None:
    log = config.parent / "ensemble.db"
    put(console)
    put(console, ("Rows", "bold"), f" in {log} (SQLite), from every run of this demo there:")
    put(
        console, ", ".join(counted(rows[table], table.removesuffix("s")) for table in TABLES if table in rows), indent=2
    )
    put(console)
    program = _program()
    steps = {
        "Browse the rows (pip install datasette)": f"datasette {log}",
        "Keep the simulated fleet running in a second terminal": f"{program} simulate --port {port}",
        "and ask it yourself": f'{program} ask "What is 17 x 24?" --config {config}',
        "or serve it to any OpenAI client": f"{program} serve --config {config}",
        "Write a configuration for real models": f"{program} init",
    }
    put(console, ("Next", "bold"))
    for what, command in steps.items():
        put(console, (f"# {what}", "dim"), indent=2)
        put(console, command, indent=2)


def _program() -> str:
    """What to type for this program: its name where the shell finds it, else the way from here to it."""
    started = Path(sys.argv[0])
    found = shutil.which("ensemble")
    if started.name != "ensemble" or (found and Path(found).resolve() == started.resolve()):
        return "ensemble"
    here = Path.cwd()
    return str(started.relative_to(here)) if started.is_relative_to(here) else str(started)
