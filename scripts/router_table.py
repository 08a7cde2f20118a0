"""Every kind of router on the simulated three-tier fleet, scored against the known truth; see ``ensemble.showcase``."""

import asyncio
import dataclasses
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ensemble.showcase.tables import KINDS
from scripts import _runs

if TYPE_CHECKING:
    from ensemble.showcase.drive import Options, Outcome


@click.command(epilog="Example: scripts/router_table --seed 0")
@click.option("--learn", type=click.IntRange(min=10), default=600, show_default=True, help="Requests to label.")
@click.option("--score", type=click.IntRange(min=2), default=400, show_default=True, help="Others to score.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of tasks, answers and errors.")
@click.option("--noise", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="Of the judge that labels.")
@click.option("--router", "only", multiple=True, type=click.Choice(KINDS), help="To compare; left out, all.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result there as well.")
def command(learn: int, score: int, seed: int, noise: float, only: tuple[str, ...], json_file: Path | None) -> None:
    """Label, train, serve every kind of router over HTTP, and score what was served by its truth. All is simulated."""
    from ensemble.errors import ConfigError, EnsembleError, StoreError
    from ensemble.showcase.drive import Options

    options = Options(learn=learn, score=score, seed=seed, noise=noise, kinds=only or KINDS)
    try:
        outcome = asyncio.run(_run(options))
    except (ConfigError, EnsembleError, StoreError) as error:
        raise click.ClickException(str(error)) from error
    print(_written(outcome, options))
    if json_file is not None:
        tree = {**dataclasses.asdict(outcome), "config": None, "options": dataclasses.asdict(options)}
        json_file.write_text(json.dumps({"simulated": True, **tree}, indent=1) + "\n", encoding="utf-8")


async def _run(options: "Options") -> "Outcome":
    from ensemble.showcase.drive import drive, simulator_of

    def told(text: str) -> None:
        print(text, file=sys.stderr)

    with tempfile.TemporaryDirectory(prefix="router-table-") as folder:
        async with simulator_of(options) as simulator:
            return await drive(options, Path(folder), simulator, told=told)


def _written(outcome: "Outcome", options: "Options") -> str:
    from ensemble.showcase.told import HEAD, rows, sentences

    return "\n".join([_runs.table(HEAD, rows(outcome.lines)), "", *sentences(outcome, options)])


if __name__ == "__main__":
    command(prog_name="scripts/router_table")
