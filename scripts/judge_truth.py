"""The default judge against known truth: a simulated fleet solves tasks, a staged judge chooses, the truth is checked.

Every request goes over real HTTP through ``ensemble serve``. The judge tiers are noisy, position-biased and
length-biased by settings. Each task is asked of several routers that get the same candidates, so that all comparisons
are paired. The best single model is found on tasks that are not scored. Every figure is simulated.
"""

import asyncio
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts import _runs
from scripts._runs import RunFailed
from scripts._truth import Asked, Choice, Difference, choices, difference, read_log

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from ensemble.simulator.models import Profile
    from ensemble.simulator.tasks import Task

STAGED, SINGLE, LONGEST = "staged judge", "single judge", "longest answer"
ROUTERS = {STAGED: "staged", SINGLE: "single", LONGEST: "longest"}
COMPARABLE = ("large", "birch-large")
"""Members whose agreement may count: the best tier of either family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to run: half of ``tasks`` finds the best single model and teaches the means, the other half is scored.

    ``noise`` is the chance that a cheap judge, and that the strong one, prefers the worse of two answers;
    tasks that are easier than ``least_difficulty``, in [0, 1], are left out.
    """

    tasks: int = 1200
    seed: int = 0
    noise: tuple[float, float] = (0.2, 0.1)
    position_bias: float = 0.1
    length_bias: float = 0.1
    least_difficulty: float = 0.0
    concurrency: int = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Every way to choose, the first being the default judge, and its lead over each of the others."""

    choices: Sequence[Choice]
    leads: Sequence[Difference]
    scored: int
    seconds: float

    @property
    def best_single(self) -> tuple[Choice, Difference]:
        """The best single model, and the lead over it."""
        at = next(at for at, one in enumerate(self.choices) if one.name.startswith("best single"))
        return self.choices[at], self.leads[at]

    @property
    def better(self) -> bool:
        """Whether the default judge's choices are right more often than the best single model's answers."""
        return self.best_single[1].mean > 0


def configuration(urls: Sequence[str], profiles: Sequence["Profile"], database: Path) -> str:
    """The panel, cheapest first, with the default judge of ``ensemble init`` and two simpler ones, as TOML."""
    members = [one for one in profiles if one.tier != "judge"]
    judge = next(one for one in profiles if one.tier == "judge")
    names = json.dumps([one.name for one in members])
    lines = [f'[providers.{name}]\nuse = "openai"\nbase_url = "{url}"' for name, url in zip("abc", urls, strict=True)]
    for one in members:
        lines.append(
            f'[members.{one.name}]\nprovider = "b"\nmodel = "{one.name}"\nfamily = "{one.family}"\n'
            f"comparable = {str(one.name in COMPARABLE).lower()}\nmax_output_tokens = 2048\n"
            f"options = {{ temperature = 0 }}\nprice = {{ input = {one.usd_in}, output = {one.usd_out} }}"
        )
    for name, provider, share in (("cheap", "a", 0.2), ("second", "c", 0.2), ("strong", "b", 1.0)):
        price = f"{{ input = {share * float(judge.usd_in):g}, output = {share * float(judge.usd_out):g} }}"
        lines.append(
            f'[members.{name}]\nprovider = "{provider}"\nmodel = "{judge.name}"\nfamily = "{judge.family}"\n'
            f"max_output_tokens = 2048\nprice = {price}"
        )
    free = ", ".join(f'"{use}"' for use in ("schema", "format", "arithmetic", "citations", "answer"))
    two, third = (
        '{ use = "pairwise", model = "cheap", second_model = "second" }',
        '{ use = "pairwise", model = "strong" }',
    )
    lines += [
        f'[judges.staged]\nuse = "staged"\nstages = [{free}, {two}, {third}]',
        '[judges.single]\nuse = "pairwise"\nmodel = "strong"',
        '[judges.longest]\nuse = "longest"',
        *(f'[routers.{one}]\nuse = "parallel"\nmembers = {names}\njudge = "{one}"' for one in ROUTERS.values()),
        f"[store]\npath = {json.dumps(str(database))}\n[server]\nport = 0",
    ]
    return "\n".join(lines) + "\n"


async def drive(options: Options) -> Result:
    """Ask every router every task, then check.

    Raises:
        RunFailed: fleet or server could not be started, or a request failed.
    """
    from ensemble.simulator import Simulator, SimulatorSettings

    tasks = _tasks(options)
    begin = time.monotonic()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="judge-truth-")))
        fleets = [
            await stack.enter_async_context(
                Simulator(
                    SimulatorSettings(
                        evaluator_noise=noise,
                        position_bias=options.position_bias,
                        length_bias=options.length_bias,
                        seed=options.seed + tier,  # so that the judges do not err alike
                        keep_served=1,
                        keep_bodies=False,
                    )
                )
            )
            for tier, noise in enumerate((*options.noise, options.noise[0]))
        ]
        profiles = sorted(fleets[1].profiles, key=lambda one: (float(one.usd_out), one.name))
        members = [one.name for one in profiles if one.tier != "judge"]
        config = folder / "ensemble.toml"
        urls = [one.base_url for one in fleets]
        config.write_text(configuration(urls, profiles, folder / "run.db"), encoding="utf-8")
        half = len(tasks) // 2
        asked: list[Asked] = []
        async with _runs.serving(config) as server, server.client() as client:
            # One half after the other, so that what is scored was judged with means that only the other half taught
            # or that came before.
            for part in (range(half), range(half, len(tasks))):
                asked += await _ask_all(client, tasks, part, options.concurrency)
        log = await asyncio.to_thread(read_log, folder / "run.db")
    made = choices(tasks, asked, log, members, tuple(ROUTERS), range(half, len(tasks)))
    leads = [difference(made[0], one, seed=options.seed) for one in made]
    return Result(choices=made, leads=leads, scored=len(tasks) - half, seconds=time.monotonic() - begin)


def _tasks(options: Options) -> list["Task"]:
    """Tasks that are text alone: a call of a tool is not something that these judges are asked about."""
    from ensemble.simulator.tasks import make_tasks

    made = make_tasks(20 * options.tasks + 100, seed=options.seed)
    fit = (task for task in made if not task.tools and task.difficulty >= options.least_difficulty)
    found = list(islice(fit, options.tasks))
    if len(found) < options.tasks:
        raise RunFailed(f"there are only {len(found)} tasks of difficulty {options.least_difficulty:g} or more")
    return found


async def _ask_all(
    client: "AsyncOpenAI", tasks: Sequence["Task"], part: Sequence[int], concurrency: int
) -> list[Asked]:
    waiting = iter([(at, name) for at in part for name in ROUTERS])
    asked: list[Asked] = []

    async def work() -> None:
        for at, name in waiting:
            try:
                raw = await client.chat.completions.with_raw_response.create(
                    model=ROUTERS[name],
                    messages=tasks[at].messages,  # type: ignore[arg-type]  # in OpenAI's shape
                )
            except _runs.client_errors() as error:
                raise RunFailed(f"task {at}: {type(error).__name__}: {error}") from error
            text = raw.parse().choices[0].message.content or ""
            asked.append(Asked(id=raw.headers["x-ensemble-request-id"], task=at, router=name, text=text))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
    except* RunFailed as failed:
        raise RunFailed(str(failed.exceptions[0])) from failed
    return asked


def written(result: Result, options: Options) -> str:
    """The report for people to read, as Markdown."""
    cheap, strong = options.noise
    about = (
        f"Simulated: {result.scored} scored tasks of {options.tasks} (seed {options.seed}), six models of unequal "
        f"skill;\njudges prefer the worse answer with {cheap:g} (cheap) and {strong:g} (strong), the first with "
        f"{options.position_bias:g} and the longer with {options.length_bias:g}. {result.seconds:.0f} s."
    )
    rows = []
    for one, lead in zip(result.choices, result.leads, strict=True):
        ahead = "" if one is result.choices[0] else f"{lead.mean:+.3f} [{lead.low:+.3f}, {lead.high:+.3f}]"
        figures = ["", "", ""]
        if one.judge_calls is not None and one.judge_usd is not None and one.usd is not None:
            figures = [f"{one.judge_calls:.2f}", f"{1000 * one.judge_usd:.2f}", f"{1000 * one.usd:.2f}"]
        rows.append([one.name, f"{one.share:.3f}", ahead, *figures])
    head = ["simulated: choice", "right", "default judge minus it, 95 %", "judge calls", "judge", "all, USD per 1,000"]
    return f"{about}\n\n{_runs.table(head, rows)}"


def summary(result: Result) -> str:
    """The last line."""
    single, lead = result.best_single
    told = "more often" if result.better else "NOT more often"
    return (
        f"scripts/judge_truth: the default judge's choices are right {told} than the best single model's: "
        f"{result.choices[0].share:.3f} against {single.share:.3f}, {lead.mean:+.3f} "
        f"[{lead.low:+.3f}, {lead.high:+.3f}], {result.scored} tasks, simulated"
    )


@click.command(epilog="Example: scripts/judge_truth --tasks 1200 --seed 0")
@click.option("--tasks", type=click.IntRange(min=20), default=1200, show_default=True, help="How many; half is scored.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of tasks, answers and errors.")
@click.option("--cheap-noise", type=click.FloatRange(0, 1), default=0.2, show_default=True, help="Of the cheap judge.")
@click.option("--strong-noise", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="Of the strong one.")
@click.option("--position-bias", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="Towards the first.")
@click.option("--length-bias", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="Towards the longer.")
@click.option("--least-difficulty", type=click.FloatRange(0, 1), default=0.0, help="Leave out what is easier.")
@click.option("--concurrency", type=click.IntRange(1, 200), default=24, show_default=True, help="Requests at once.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result there as well.")
def command(
    tasks: int,
    seed: int,
    cheap_noise: float,
    strong_noise: float,
    position_bias: float,
    length_bias: float,
    least_difficulty: float,
    concurrency: int,
    json_file: Path | None,
) -> None:
    """Hold the default judge against simpler choices where the truth is known.

    Exits with 1 where the chosen answers are not right more often than those of the best single model.
    """
    options = Options(
        tasks=tasks,
        seed=seed,
        noise=(cheap_noise, strong_noise),
        position_bias=position_bias,
        length_bias=length_bias,
        least_difficulty=least_difficulty,
        concurrency=concurrency,
    )
    try:
        result = asyncio.run(drive(options))
    except RunFailed as error:
        raise click.ClickException(str(error)) from error
    print(written(result, options))
    if json_file is not None:
        json_file.write_text(json.dumps(dataclasses.asdict(result), indent=1) + "\n", encoding="utf-8")
    print(summary(result), file=sys.stderr)
    sys.exit(0 if result.better else 1)


if __name__ == "__main__":
    command(prog_name="scripts/judge_truth")
