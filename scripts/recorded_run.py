"""Real prompts and the recorded answers of 14 models through the whole service, with every figure checked.

Starts the simulated fleet on a recording and ``ensemble serve`` as a process of its own, asks with the official client,
half streamed, and holds what came back and what was stored against the recording and against what the fleet served.
"""

import asyncio
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts import _runs
from scripts._recorded import NANO, Line, Report, Run, inspect
from scripts._runs import EVALUATOR, Price, Question, Reply, RunFailed

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from ensemble.simulator import Simulator

PRICED_AS = "gpt-4-1106-preview"
"""The model whose preferences were recorded: what the evaluator would have cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to run; ``database`` must not exist yet, since its rows are counted."""

    data: Path
    database: Path
    limit: int | None = None
    noise: float = 0.0
    bias: float = 0.0
    concurrency: int = 32


def prices_beside(data: Path, members: list[str]) -> dict[str, Price]:
    """Prices of ``members`` and of the evaluator, from the list that stands beside ``data``.

    Raises:
        RunFailed: there is no list, or it lacks one of them.
    """
    file = data.with_name("prices.json")
    try:
        listed = json.loads(file.read_text(encoding="utf-8"), parse_float=Decimal, parse_int=Decimal)["models"]
        found = {name: listed[PRICED_AS if name == EVALUATOR else name] for name in (*members, EVALUATOR)}
    except (OSError, KeyError, ValueError) as error:
        raise RunFailed(f"{file} holds no price for every model: {error!r}") from error
    return {name: Price(input=row["input"], output=row["output"]) for name, row in found.items()}


async def drive(options: Options) -> Run:
    """Ask every question once.

    Raises:
        RunFailed: fleet or server could not be started, or the database is there already.
    """
    from ensemble.simulator import Simulator, SimulatorSettings

    if options.database.exists():
        raise RunFailed(f"{options.database} exists; its rows are to be counted, so name a new file")
    questions = _runs.read_questions(options.data, options.limit)
    members = list(questions[0].outputs)
    prices = prices_beside(options.data, members)
    settings = SimulatorSettings(
        recording=options.data, evaluator_noise=options.noise, position_bias=options.bias, keep_bodies=False
    )
    async with Simulator(settings) as simulator:
        with tempfile.TemporaryDirectory(prefix="recorded-run-") as folder:
            config = Path(folder) / "ensemble.toml"
            text = _runs.configuration(simulator.base_url, prices, members, options.database)
            config.write_text(text, encoding="utf-8")
            async with _runs.serving(config) as server, server.client() as client:
                begin = time.monotonic()
                replies, failures = await _ask_all(client, questions, options.concurrency)
                seconds = time.monotonic() - begin
        return Run(
            questions=questions,
            members=members,
            prices=prices,
            replies=replies,
            failures=failures,
            served=list(_served(simulator)),
            seconds=seconds,
            spoilt=options.noise > 0 or options.bias > 0,
        )


async def _ask_all(client: "AsyncOpenAI", questions: list[Question], concurrency: int) -> tuple[list[Reply], list[str]]:
    lost = _runs.client_errors()
    replies, failures = list[Reply](), list[str]()
    waiting = iter(enumerate(questions))

    async def work() -> None:
        for at, question in waiting:
            try:
                replies.append(await _runs.ask(client, question.prompt, stream=at % 2 == 1, at=at))
            except lost as error:
                failures.append(f"question {at}: {type(error).__name__}: {error}")

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())
    return replies, failures


def _served(simulator: "Simulator") -> Iterator[Line]:
    for call in simulator.served:
        yield Line(
            id=call.request_id,
            model=call.model,
            input_tokens=call.told_prompt_tokens or 0,
            output_tokens=call.told_completion_tokens or 0,
        )


def written(run: Run, report: Report, options: Options) -> str:
    """The report for people to read, as Markdown."""
    bias = f"noise {options.noise:g}, position bias {options.bias:g}" if run.spoilt else "no noise, no position bias"
    streamed = sum(reply.streamed for reply in run.replies)
    rate = len(run.served) / run.seconds
    about = (
        f"{len(run.questions)} prompts to {len(run.members)} models; evaluator: {bias}; "
        f"concurrency {options.concurrency}.\n"
        "Outputs and preferences are recorded (AlpacaEval, GPT-4-turbo as the judge, preference = P(beats\n"
        "gpt4_1106_preview)). The providers are simulated. The evaluator replays the recorded preference, so reaching\n"
        "the oracle without noise proves the plumbing, not the judge. Prices are list prices from memory."
    )
    run_rows = [
        ["answered", f"{len(run.replies)} of {len(run.questions)}, {streamed} of them streamed"],
        ["latency p50 / p99", f"{report.p50_s:.2f} s / {report.p99_s:.2f} s"],
        ["time", f"{run.seconds:.1f} s, {len(run.served):,} simulated calls, {rate:.0f} a second"],
        ["ledger in the database", f"{report.ledger.database} nano-USD"],
        ["sum made apart", f"{report.ledger.apart} nano-USD"],
        ["sum told to the clients", f"{report.ledger.told} nano-USD (${Decimal(report.ledger.told) / NANO:.4f})"],
    ]
    quality = [[q.choice, f"{q.mean:.4f}", f"{q.ahead:+.4f} ± {q.margin:.4f}"] for q in report.quality]
    counts = [[each.table, f"{each.rows:,}", f"{each.must_be:,}", each.why] for each in report.counts]
    promises = [[each.name, "kept" if each.kept else "BROKEN", each.found] for each in report.promises]
    parts = [
        about,
        _runs.table(["run", "simulated providers"], run_rows),
        _runs.table(["rows", "found", "must be", "why"], counts),
        _runs.table(["answer", "mean recorded preference", "judge's choice minus it, 95 %"], quality),
        _runs.table(["promise", "", "found"], promises),
    ]
    return "\n\n".join(parts)


def summary(run: Run, report: Report) -> str:
    """The last line."""
    if report.broken:
        return f"scripts/recorded_run: BROKEN: {'; '.join(promise.name for promise in report.broken)}"
    chosen, oracle = (each.mean for each in report.quality[:2])
    reached = "" if run.spoilt else ", the oracle reached"
    return (
        f"scripts/recorded_run: {len(run.replies)} of {len(run.questions)} answered in {run.seconds:.1f} s "
        f"(simulated providers), rows exact, ledger equal, preference {chosen:.4f} of {oracle:.4f}{reached}"
    )


@click.command(epilog="Example: scripts/recorded_run --data ../shared/data/routing/alpaca_fleet.jsonl.gz --db run.db")
@click.option("--data", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Recording.")
@click.option("--limit", type=click.IntRange(min=1), help="Only so many prompts; all if not given.")
@click.option("--db", required=True, type=click.Path(path_type=Path), help="Where the log is made; kept afterwards.")
@click.option("--evaluator-noise", type=click.FloatRange(0, 1), default=0.0, help="Chance that it prefers the worse.")
@click.option("--position-bias", type=click.FloatRange(0, 1), default=0.0, help="Chance that it prefers the first.")
@click.option("--concurrency", type=click.IntRange(1, 1000), default=32, show_default=True, help="Requests at once.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the report there as well.")
def command(
    data: Path,
    limit: int | None,
    db: Path,
    evaluator_noise: float,
    position_bias: float,
    concurrency: int,
    json_file: Path | None,
) -> None:
    """Send recorded prompts through simulator and server, and check every answer, row and nano-dollar.

    Exits with 1 where a promise is broken.
    """
    options = Options(
        data=data, database=db, limit=limit, noise=evaluator_noise, bias=position_bias, concurrency=concurrency
    )
    try:
        run = asyncio.run(drive(options))
    except RunFailed as error:
        raise click.ClickException(str(error)) from error
    report = inspect(run, db)
    print(written(run, report, options))
    if json_file is not None:
        json_file.write_text(json.dumps(dataclasses.asdict(report), indent=1) + "\n", encoding="utf-8")
    print(summary(run, report), file=sys.stderr)
    sys.exit(1 if report.broken else 0)


if __name__ == "__main__":
    command(prog_name="scripts/recorded_run")
