"""Label recorded prompts at many models, again and again: undisturbed, killed, with one member more, under a cap.

Starts the simulated fleet on a recording and ``ensemble label`` as a process of its own, and holds the logs against the
recording, against what the fleet served, and against one another:

- an undisturbed run leaves exactly the rows and the ledger that it must;
- a run that is killed with SIGKILL at random moments and started again leaves the same rows, and asks nothing again
  that was stored;
- one member that is added afterwards is the only one that is called, beside the judge;
- a run whose cap is a third of its need stops under the cap, and so it does when it is started again.
"""

import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts import _label_ray, _labels, _runs
from scripts._recorded import NANO, Promise
from scripts._runs import EVALUATOR, PANEL, Price, Question, RunFailed
from scripts.recorded_run import prices_beside

if TYPE_CHECKING:
    from ensemble.simulator import Simulator
    from ensemble.simulator.served import Served

END_S = 1800.0
"""Most seconds of one run."""
FEWER = "fewer"
"""The router whose panel lacks the last member."""
LIMIT = 4096
"""``max_output_tokens`` of every member, without which none may take part in a capped run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to run; ``folder`` gets the logs. ``parts`` says how many of the four parts are made.

    With ``engine`` ray there are two: undisturbed, and on Ray. Each prompt comes ``repeat`` times, numbered, with the
    answers of the first ``models``.
    """

    data: Path
    folder: Path
    limit: int | None = None
    kills: int = 5
    seed: int = 0
    concurrency: int = 32
    parts: int = 4
    engine: str = "local"
    repeat: int = 1
    models: int | None = None


@dataclass(slots=True)
class Report:
    """What was found."""

    promises: list[Promise] = field(default_factory=list)
    figures: list[list[str]] = field(default_factory=list)

    def promise(self, name: str, wrong: Sequence[str], right: str) -> None:
        """A promise that is kept where nothing is ``wrong``."""
        told = f"{len(wrong)} wrong, the first: {wrong[0][:150]}" if wrong else right
        self.promises.append(Promise(name=name, kept=not wrong, found=told))

    @property
    def broken(self) -> list[Promise]:
        """The promises that were not kept."""
        return [promise for promise in self.promises if not promise.kept]


@dataclass(slots=True)
class Bench:
    """What every part of the run needs."""

    options: Options
    simulator: "Simulator"
    questions: list[Question]
    members: list[str]
    prices: dict[str, Price]
    report: Report = field(default_factory=Report)

    def served(self) -> "list[Served]":
        """Every call that the fleet served so far."""
        return list(self.simulator.served)

    def log(self, name: str) -> Path:
        """Where the log called ``name`` is."""
        return self.options.folder / f"{name}.db"

    def config(self, name: str) -> Path:
        """A configuration with a log of its own."""
        path = self.options.folder / f"{name}.toml"
        text = _runs.configuration(self.simulator.base_url, self.prices, self.members, self.log(name))
        text = text.replace('provider = "simulated"\n', f'provider = "simulated"\nmax_output_tokens = {LIMIT}\n')
        fewer = f'[routers.{FEWER}]\nuse = "parallel"\nmembers = {json.dumps(self.members[:-1])}\njudge = "recorded"\n'
        path.write_text(text + fewer, encoding="utf-8")
        return path

    async def label(self, config: Path, *more: str, router: str = PANEL) -> "Ended":
        """Run ``ensemble label`` to its end."""
        process = await self.start(config, *more, router=router)
        begin = time.monotonic()
        try:
            async with asyncio.timeout(END_S):
                out, errors = await process.communicate()
        except TimeoutError as error:
            raise RunFailed(f"ensemble label did not end within {END_S:g} s") from error
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode not in (0, 3):
            raise RunFailed(f"ensemble label ended with {process.returncode}: {errors.decode()[-800:]}")
        return Ended(process.returncode, json.loads(out), time.monotonic() - begin)

    async def start(self, config: Path, *more: str, router: str = PANEL) -> asyncio.subprocess.Process:
        """Start ``ensemble label``."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ENSEMBLE_")}
        program = str(Path(sys.executable).with_name("ensemble"))
        given = ["--config", str(config), "--concurrency", str(self.options.concurrency), "--json", *more]
        if "--from-log" not in more:
            given = [str(self.options.folder / "prompts.jsonl"), "--router", router, *given]
        return await asyncio.create_subprocess_exec(
            program, "label", *given, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """How ``ensemble label`` ended: exit status, what it told, and how long it took."""

    code: int
    told: dict[str, object]
    seconds: float


async def run(options: Options) -> Report:
    """Make all four parts.

    Raises:
        RunFailed: fleet or program could not be started, or a log is there already.
    """
    from ensemble.simulator import Simulator, SimulatorSettings

    data, questions = options.data, _distinct(_runs.read_questions(options.data, options.limit))
    members = list(questions[0].outputs)
    prices = prices_beside(options.data, members)
    if any(options.folder.glob("*.db")):
        raise RunFailed(f"{options.folder} holds logs; their rows are to be counted, so name a new folder")
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.repeat > 1 or options.models is not None:
        questions = _label_ray.repeated(questions, options.repeat, options.models)
        members, data = list(questions[0].outputs), options.folder / "recording.jsonl.gz"
        _runs.write_recording(data, questions)
    lines = [json.dumps({"id": f"q{at}", "prompt": question.prompt}) for at, question in enumerate(questions)]
    (options.folder / "prompts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    async with Simulator(SimulatorSettings(recording=data)) as simulator:
        bench = Bench(options, simulator, questions, members, prices)
        local = (_undisturbed, _killed, _one_more, _capped)[: options.parts]
        for part in local if options.engine == "local" else (_undisturbed, _label_ray.on_ray):
            await part(bench)
    return bench.report


def _distinct(questions: list[Question]) -> list[Question]:
    return list({question.prompt: question for question in questions}.values())


async def _undisturbed(bench: Bench) -> None:
    log, report = bench.log("undisturbed"), bench.report
    ended = await bench.label(bench.config("undisturbed"))
    served = bench.served()
    rate = len(served) / ended.seconds
    report.figures.append(
        ["undisturbed", f"{len(bench.questions)} prompts, {len(served):,} calls, {ended.seconds:.0f} s, {rate:.0f}/s"]
    )
    wrong = _labels.counts_wrong(log, bench.questions, len(served))
    report.promise("every table has exactly the rows that it must have", wrong, "all")
    wrong = _labels.ledger_wrong(log, served, bench.prices)
    nano = _labels.spent(log).ledger
    told = f"{nano} nano-USD (${Decimal(nano) / NANO:.4f}), each of {len(served):,} lines"
    report.promise("the ledger is what was served, to the token and the nano-dollar", wrong, told)
    report.promise("the best recorded answer wins every time", list(_labels.wrong_winners(log, bench.questions)), "all")
    before = len(served)
    again = await bench.label(bench.config("undisturbed"))
    report.promise(
        "a second run calls nobody", [f"{len(bench.served()) - before} calls"] * (len(bench.served()) != before), "0"
    )
    report.figures.append(["the same again", f"0 calls, {again.seconds:.1f} s"])


async def _killed(bench: Bench) -> None:
    draw = random.Random(bench.options.seed)  # noqa: S311 - when to kill is no secret
    config, log, report = bench.config("killed"), bench.log("killed"), bench.report
    begin, need = len(bench.served()), _calls_of(bench.log("undisturbed"))
    repeats, lost, stored = 0, 0, list[str]()
    since, had = begin, set[str]()
    for _ in range(bench.options.kills):
        process = await bench.start(config)
        target = since + int(draw.uniform(0.02, 0.35) * (need - len(had)))
        while process.returncode is None and len(bench.simulator.served) < target:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.005)
        await asyncio.sleep(draw.uniform(0, 0.3))
        process.kill()
        await process.communicate()
        while bench.simulator.served.in_flight():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        repeats += _labels.repeated(bench.served()[begin:], had, since - begin)
        since, had = len(bench.served()), _labels.stored_calls(log) if log.exists() else set()
        lost = since - begin - len(had)
        stored.append(f"{len(had):,}")
    ended = await bench.label(config)
    served = bench.served()[begin:]
    repeats += _labels.repeated(served, had, since - begin)
    report.figures.append(
        [f"killed {len(stored)} times", f"with {', '.join(stored)} calls stored; {lost} in flight were lost in all"]
    )
    report.figures.append(["the rest of it", f"{ended.seconds:.0f} s, {len(served) - since + begin:,} calls"])
    report.promise("no stored call is repeated", [f"{repeats} calls"] * bool(repeats), "none")
    wrong = _labels.differing(bench.log("undisturbed"), log)
    report.promise("killed and resumed, the rows are those of the undisturbed run", wrong, "all tables")
    wrong = _labels.ledger_wrong(log, served, bench.prices, lost=lost) + _labels.unsound(log)
    report.promise("the killed run's log is sound and its ledger what was served, less what was lost", wrong, "all")


async def _one_more(bench: Bench) -> None:
    added, config, report = bench.members[-1], bench.config("more"), bench.report
    await bench.label(config, router=FEWER)
    since = len(bench.served())
    await bench.label(config, "--from-log", "--member", added)
    calls = _labels.by_model(bench.served()[since:])
    judge, new = calls.pop(EVALUATOR, 0), calls.pop(added, 0)
    most = _labels.judge_pages(added, bench.questions)
    wrong = [f"{count} calls of {name}" for name, count in calls.items()]
    wrong += [f"{new} calls of {added} for {len(bench.questions)} prompts"] * (new != len(bench.questions))
    wrong += [f"{judge} pages for at most {most}"] * (not 0 < judge <= most)
    told = f"{new} calls of {added}, {judge:,} of the judge, 0 of the others"
    report.promise("a member that is added is the only one called, beside the judge", wrong, told)
    wrong = list(_labels.wrong_winners(bench.log("more"), bench.questions)) + _labels.unsound(bench.log("more"))
    report.promise("with it, the best recorded answer wins every time", wrong, "all")


async def _capped(bench: Bench) -> None:
    config, log, report = bench.config("capped"), bench.log("capped"), bench.report
    need = _labels.spent(bench.log("undisturbed")).ledger
    cap = need // 3
    wrong, found = list[str](), list[str]()
    for _ in range(2):
        ended = await bench.label(config, "--max-cost", f"{Decimal(cap) / NANO:.9f}")
        spent = _labels.spent(log)
        wrong += ["it did not stop"] * (ended.code != 3)
        wrong += [f"{spent} for a cap of {cap}"] * (spent.ledger + spent.reserved > cap)
        found.append(f"{spent.ledger / cap:.1%}")
    report.promise("a run capped at a third of its need stops under the cap, and again", wrong, " and ".join(found))
    report.figures.append(["capped", f"need {need}, cap {cap}, spent {_labels.spent(log).ledger} nano-USD"])
    since = len(bench.served())
    await bench.label(config)
    wrong = _labels.differing(bench.log("undisturbed"), log)
    report.promise("without the cap it goes on to the same rows", wrong, f"{len(bench.served()) - since:,} more calls")


def _calls_of(log: Path) -> int:
    return len(_labels.stored_calls(log))


def written(report: Report, options: Options) -> str:
    """The report for people to read, as Markdown."""
    about = (
        f"`ensemble label` over simulated providers that repeat recorded answers; the evaluator repeats recorded\n"
        f"preferences, so its winners prove the plumbing, not the judge. Seed {options.seed}, "
        f"concurrency {options.concurrency}."
    )
    promises = [[each.name, "kept" if each.kept else "BROKEN", each.found] for each in report.promises]
    parts = [about, _runs.table(["run", "simulated providers"], report.figures)]
    return "\n\n".join([*parts, _runs.table(["promise", "", "found"], promises)])


@click.command(epilog="Example: scripts/label_run --data ../shared/data/routing/alpaca_fleet.jsonl.gz")
@click.option("--data", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Recording.")
@click.option("--limit", type=click.IntRange(min=1), help="Only so many prompts; all if not given.")
@click.option("--kills", type=click.IntRange(0, 50), default=5, show_default=True, help="How often to kill it.")
@click.option("--seed", type=int, help="Of the moments; a random one if not given.")
@click.option("--concurrency", type=click.IntRange(1, 1000), default=32, show_default=True, help="Prompts at once.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to keep the logs; thrown away if not given.")
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True, help="Also on Ray.")
@click.option("--repeat", type=click.IntRange(1), default=1, show_default=True, help="Each prompt so often, numbered.")
@click.option("--models", type=click.IntRange(2), help="Answers of the first so many models alone.")
def command(
    data: Path,
    *,
    limit: int | None,
    kills: int,
    seed: int | None,
    concurrency: int,
    folder: Path | None,
    engine: str,
    repeat: int,
    models: int | None,
) -> None:
    """Label recorded prompts, kill it, resume it, add a member, cap it; exits with 1 where a promise is broken."""
    seed = random.randrange(10**6) if seed is None else seed  # noqa: S311 - when to kill is no secret
    with tempfile.TemporaryDirectory(prefix="label-run-") as temporary:
        options = Options(
            data=data,
            folder=folder or Path(temporary) / "logs",
            limit=limit,
            kills=kills,
            seed=seed,
            concurrency=concurrency,
            engine=engine,
            repeat=repeat,
            models=models,
        )
        try:
            report = asyncio.run(run(options))
        except RunFailed as error:
            raise click.ClickException(str(error)) from error
    print(written(report, options))
    broken = "; ".join(promise.name for promise in report.broken)
    kept = f"all {len(report.promises)} promises kept"
    print(f"scripts/label_run: {f'BROKEN: {broken}' if broken else kept}", file=sys.stderr)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    command(prog_name="scripts/label_run")
