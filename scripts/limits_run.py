"""Limits that requests state, held against what was paid and how long it took: promised is what came without a warning.

First a simulated fleet of three tiers answers requests without limits, through a fan-out with a judge, a cascade and
rules, so that the log knows what is usual. The server is started again, and each further request states limits that are
drawn around what one of the first took: cost, latency or both. Cost is read from the ledger, latency is the client's.
"""

import asyncio
import dataclasses
import json
import math
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts import _runs
from scripts._runs import RunFailed

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from ensemble.simulator.models import Profile
    from ensemble.simulator.tasks import Task

TIERS = ("small", "balanced", "large")
ROUTERS = ("panel", "frugal", "rules")
NANO = 1_000_000_000
WANTED = 0.99
"""Share of promises to keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """``warm`` requests without limits, then ``requests`` with them; ``latency`` scales what the fleet takes."""

    requests: int = 1000
    warm: int = 300
    seed: int = 0
    latency: float = 0.5
    concurrency: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: its limits (nano-USD, seconds), and what became of it; ``nano_usd`` is None where unknown."""

    id: str
    router: str
    seconds: float
    warned: bool
    most_nano_usd: int | None = None
    most_seconds: float | None = None
    nano_usd: int | None = None
    narrowed: bool = False

    @property
    def kind(self) -> str:
        """Which limits it states."""
        if self.most_nano_usd is not None and self.most_seconds is not None:
            return "both"
        return "latency" if self.most_nano_usd is None else "cost"

    def kept_by(self, other: "Asked") -> bool:
        """Whether what ``other`` took is within the limits of this one."""
        dear = self.most_nano_usd is not None and (other.nano_usd is None or other.nano_usd > self.most_nano_usd)
        return not dear and (self.most_seconds is None or other.seconds <= self.most_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of the requests with one kind of limits; ``anyway`` is the share kept if no plan was narrowed."""

    kind: str
    requests: int
    narrowed: int
    warned: int
    promised: int
    kept: int
    anyway: float

    @property
    def share(self) -> float:
        """Promises that were kept, of those that were made."""
        return self.kept / self.promised if self.promised else 1.0


def configuration(url: str, profiles: Sequence["Profile"], database: Path) -> str:
    """Three tiers and a judge; a fan-out, a cascade and rules over them, as TOML."""
    lines = [f'[providers.simulated]\nuse = "openai"\nbase_url = "{url}"']
    lines += [
        f'[members.{one.name}]\nprovider = "simulated"\nmodel = "{one.name}"\nmax_output_tokens = 1024\n'
        f"price = {{ input = {one.usd_in}, output = {one.usd_out} }}"
        for one in profiles
        if one.name in (*TIERS, "judge")
    ]
    names = json.dumps(TIERS)
    tiers = ", ".join(
        f'{{ members = ["{name}"]{", accept_score = 0.7" if name != "large" else ""} }}' for name in TIERS
    )
    lines += [
        '[judges.pairs]\nuse = "pairwise"\nmodel = "judge"',
        '[judges.points]\nuse = "pointwise"\nmodel = "judge"',
        f'[routers.panel]\nuse = "parallel"\nmembers = {names}\njudge = "pairs"',
        f'[routers.frugal]\nuse = "cascade"\njudge = "points"\ntiers = [{tiers}]',
        '[routers.rules]\nuse = "rules"\nsmall = "small"\nbalanced = "balanced"\nlarge = "large"',
        f"[store]\npath = {json.dumps(str(database))}\n[server]\nport = 0",
    ]
    return "\n".join(lines) + "\n"


async def drive(options: Options) -> Sequence[Row]:
    """Ask without limits, start again, ask with limits, and hold the answers against them.

    Raises:
        RunFailed: fleet or server could not be started, or a request failed.
    """
    from ensemble.simulator import Simulator, SimulatorSettings
    from ensemble.simulator.tasks import make_tasks

    draw = random.Random(options.seed)  # noqa: S311 - no secret
    made = (task for task in make_tasks(2 * (options.warm + options.requests) + 100, options.seed) if not task.tools)
    settings = SimulatorSettings(latency=options.latency, seed=options.seed, keep_served=1, keep_bodies=False)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="limits-run-")))
        simulator = await stack.enter_async_context(Simulator(settings))
        config, database = folder / "ensemble.toml", folder / "run.db"
        config.write_text(configuration(simulator.base_url, simulator.profiles, database), encoding="utf-8")
        async with _runs.serving(config) as server, server.client() as client:
            warm = await _ask_all(client, made, [(None, None)] * options.warm, options.concurrency)
        warm = await asyncio.to_thread(_with_ledger, warm, database)
        limits = [_limits(draw, warm) for _ in range(options.requests)]
        async with _runs.serving(config) as server, server.client() as client:
            asked = await _ask_all(client, made, limits, options.concurrency)
        asked = await asyncio.to_thread(_with_ledger, asked, database)
    kinds = {kind: [one for one in asked if one.kind == kind] for kind in ("cost", "latency", "both")}
    return [_row(kind, some, warm, draw) for kind, some in ({**kinds, "all": asked}).items()]


Limits = tuple[int | None, float | None]


def _limits(draw: random.Random, warm: Sequence[Asked]) -> Limits:
    """From a third to the threefold of what a request without limits took."""
    usual = draw.choice(warm)
    cost = math.ceil((usual.nano_usd or 0) * 3 ** draw.uniform(-1, 1))
    time_ = round(usual.seconds * 3 ** draw.uniform(-1, 1), 3)
    return draw.choice(((cost, None), (None, time_), (cost, time_)))


async def _ask_all(
    client: "AsyncOpenAI", tasks: Iterator["Task"], limits: Sequence[Limits], concurrency: int
) -> list[Asked]:
    waiting = iter(enumerate(limits))
    asked: list[Asked] = []

    async def work() -> None:
        for at, stated in waiting:
            asked.append(await _ask(client, next(tasks), ROUTERS[at % len(ROUTERS)], stated))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
    except* RunFailed as failed:
        raise RunFailed(str(failed.exceptions[0])) from failed
    return asked


async def _ask(client: "AsyncOpenAI", task: "Task", router: str, limits: Limits) -> Asked:
    cost, time_ = limits
    metadata = {} if cost is None else {"max_cost_usd": f"{cost / NANO:.9f}"}
    metadata |= {} if time_ is None else {"max_latency_ms": f"{time_ * 1000:g}"}
    begin = time.monotonic()
    try:
        raw = await client.chat.completions.with_raw_response.create(
            model=router,
            messages=task.messages,  # type: ignore[arg-type]  # in OpenAI's shape
            metadata=metadata,
        )
    except _runs.client_errors() as error:
        raise RunFailed(f"{router}: {type(error).__name__}: {error}") from error
    return Asked(
        id=raw.headers["x-ensemble-request-id"],
        router=router,
        seconds=time.monotonic() - begin,
        warned="x-ensemble-warning" in raw.headers,
        most_nano_usd=cost,
        most_seconds=time_,
    )


def _with_ledger(asked: Sequence[Asked], database: Path) -> list[Asked]:
    """``asked`` with what the ledger has of each."""
    sql = (
        "SELECT CASE WHEN count(k.nano_usd) = count(*) THEN sum(k.nano_usd) END, p.reason LIKE '%narrowed to%' "
        "FROM calls k JOIN plans p ON p.request_id = k.request_id WHERE k.request_id = ?"
    )
    with closing(sqlite3.connect(database)) as db:
        found = [(one, db.execute(sql, [one.id]).fetchone()) for one in asked]
    return [dataclasses.replace(one, nano_usd=cost, narrowed=bool(narrowed)) for one, (cost, narrowed) in found]


def _row(kind: str, asked: Sequence[Asked], warm: Sequence[Asked], draw: random.Random) -> Row:
    promised = [one for one in asked if not one.warned]
    alike = {router: [one for one in warm if one.router == router] for router in ROUTERS}
    anyway = [one.kept_by(draw.choice(alike[one.router])) for one in promised]
    return Row(
        kind=kind,
        requests=len(asked),
        narrowed=sum(one.narrowed for one in asked),
        warned=sum(one.warned for one in asked),
        promised=len(promised),
        kept=sum(one.kept_by(one) for one in promised),
        anyway=sum(anyway) / len(anyway) if anyway else 1.0,
    )


def written(rows: Sequence[Row]) -> str:
    """The report for people to read, as Markdown."""
    head = ["simulated: limits on", "requests", "narrowed", "warned", "promised", "kept", "kept by unnarrowed plans"]
    cells = [
        [
            one.kind,
            *map(str, (one.requests, one.narrowed, one.warned, one.promised)),
            f"{one.kept} ({one.share:.1%})",
            f"{one.anyway:.0%}",
        ]
        for one in rows
    ]
    return _runs.table(head, cells)


def summary(rows: Sequence[Row]) -> str:
    """The last line."""
    every = rows[-1]
    told = "kept" if every.share >= WANTED else "NOT kept"
    return (
        f"scripts/limits_run: limits are {told}: {every.kept} of {every.promised} promises ({every.share:.2%}), "
        f"{every.warned} of {every.requests} requests warned, simulated"
    )


@click.command(epilog="Example: scripts/limits_run --requests 1000")
@click.option("--requests", type=click.IntRange(min=10), default=1000, show_default=True, help="With limits.")
@click.option("--warm", type=click.IntRange(min=60), default=300, show_default=True, help="Without limits, before.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of tasks, answers, latencies and limits.")
@click.option("--latency", type=click.FloatRange(0), default=0.5, show_default=True, help="Factor on latencies.")
@click.option("--concurrency", type=click.IntRange(1, 100), default=4, show_default=True, help="Requests at once.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result there as well.")
def command(requests: int, warm: int, seed: int, latency: float, concurrency: int, json_file: Path | None) -> None:
    """State random limits on a simulated fleet of three tiers and see how many of the promises are kept.

    Exits with 1 where fewer than 99 % are.
    """
    options = Options(requests=requests, warm=warm, seed=seed, latency=latency, concurrency=concurrency)
    try:
        rows = asyncio.run(drive(options))
    except RunFailed as error:
        raise click.ClickException(str(error)) from error
    print(written(rows))
    if json_file is not None:
        json_file.write_text(json.dumps([dataclasses.asdict(one) for one in rows], indent=1) + "\n", encoding="utf-8")
    print(summary(rows), file=sys.stderr)
    sys.exit(0 if rows[-1].share >= WANTED else 1)


if __name__ == "__main__":
    command(prog_name="scripts/limits_run")
