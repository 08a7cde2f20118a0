"""A served router under watch while its members and its judge change, over HTTP on the simulated fleet.

Four promises are held against it:

- a large member that is spoilt for one kind of task demotes the router, within a stated number of labels of that kind;
- nothing is demoted, and no judge doubted, where nothing changes;
- a spoilt judge raises ``judge_drift`` and demotes nothing;
- a member that was replaced is asked as a shadow and never served.
"""

import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts import _runs
from scripts._recorded import Promise

if TYPE_CHECKING:
    import aiohttp

    from ensemble.service import Service
    from ensemble.simulator import Simulator
    from ensemble.simulator.tasks.base import Task

KIND = "code"
"""The kind of task that the large member loses; the router tells it from the text alone."""
LOST = 0.8
"""Ability that it loses: it is then right on about one task in fourteen, instead of nine in ten."""
NOISE = 0.8
"""How often the spoilt judge prefers the worse of two answers; before it is 0.05."""
WITHIN = 150
"""Labels of the spoilt kind within which the router must be demoted; the README states it."""
AT_ONCE = 8
ROUTED = '[routers.routed]\nuse = "rules"\nsmall = "small"\nbalanced = "balanced"\nlarge = "large"\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much to run; ``folder`` gets the logs.

    Attributes:
        share: of the requests that go to the whole panel.
        before: requests before something changes, or more until there are anchors.
        learn: requests whose labels teach the router that is told of a replaced member.
        most: requests after it.
        spoilt: runs with a spoilt member, and runs with a spoilt judge.
        unchanged: runs of ``requests`` requests without change.
    """

    folder: Path
    share: float = 0.2
    alpha: float = 0.001
    anchors: int = 20
    before: int = 400
    learn: int = 200
    most: int = 2000
    spoilt: int = 3
    unchanged: int = 20
    requests: int = 1000


@dataclass(slots=True)
class Report:
    """What was found."""

    promises: list[Promise] = field(default_factory=list)

    def promise(self, name: str, wrong: Sequence[str], right: str) -> None:
        """A promise that is kept where nothing is ``wrong``."""
        self.promises.append(Promise(name=name, kept=not wrong, found="; ".join(wrong) or right))

    @property
    def broken(self) -> list[Promise]:
        """The promises that were not kept."""
        return [promise for promise in self.promises if not promise.kept]


@dataclass(frozen=True, slots=True)
class _Bench:
    """A running service with its simulated providers."""

    service: "Service"
    simulator: "Simulator"
    http: "aiohttp.ClientSession"
    url: str
    log: Path

    @property
    def state(self) -> str:
        return self.service.watches["routed"].state().state

    @property
    def why(self) -> str:
        return self.service.watches["routed"].state().why

    async def ask(self, tasks: "Iterator[Task]", most: int, until: Callable[[], bool] = lambda: False) -> int:
        """Ask up to ``most`` tasks, until ``until()``; returns how many."""
        asked = 0
        while asked < most and not until() and (some := list(islice(tasks, min(AT_ONCE, most - asked)))):
            async with asyncio.TaskGroup() as group:
                for task in some:
                    group.create_task(self._one(task))
            await self.service.idle()
            asked += len(some)
        return asked

    async def settle_in(self, tasks: "Iterator[Task]", options: Options) -> None:
        """Ask until the watch has its anchors, without which it decides nothing, and ``options.before`` at least."""
        await self.ask(tasks, options.before)
        anchors = "SELECT count(*) >= ? FROM anchors"
        await self.ask(tasks, options.most, lambda: bool(self.count(anchors, options.anchors)))

    async def _one(self, task: "Task") -> None:
        body = {"model": "routed", "messages": task.messages}
        async with self.http.post(f"{self.url}/v1/chat/completions", json=body) as reply:
            if reply.status != 200:
                raise _runs.RunFailed(f"a request was answered with {reply.status}: {(await reply.text())[:300]}")

    def count(self, sql: str, *values: object) -> int:
        with closing(sqlite3.connect(self.log)) as db:
            return int(db.execute(sql, values).fetchone()[0])

    def labels(self, kind: str) -> int:
        """Labels of that kind so far."""
        return self.count("SELECT count(*) FROM watched WHERE event = 'label' AND task = ?", kind)


@asynccontextmanager
async def _serving(
    options: Options, name: str, seed: int, *, router: str = ROUTED, share: float | None = None, balanced: str = ""
) -> AsyncIterator[_Bench]:
    """Serve a router on the log ``name``; ``balanced`` is another model in the place of the balanced member's."""
    import aiohttp
    from aiohttp import web

    from ensemble.server.app import make_app
    from ensemble.service import open_service
    from ensemble.simulator import Simulator, SimulatorSettings

    options.folder.mkdir(parents=True, exist_ok=True)
    config, log = options.folder / f"{name}.toml", options.folder / f"{name}.db"
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(SimulatorSettings(seed=seed, evaluator_noise=0.05)))
        shadow = (
            f"[routers.routed.shadow]\nshare = {share or options.share}\nalpha = {options.alpha}\nseed = {seed}\n"
            f'panel = ["small", "balanced", "large"]\njudge = "house"\nanchors = {options.anchors}\n'
        )
        config.write_text(_fleet(simulator, log, balanced) + router + shadow, encoding="utf-8")
        service = await stack.enter_async_context(open_service(config))
        runner = web.AppRunner(make_app(service), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        http = await stack.enter_async_context(aiohttp.ClientSession())
        port = runner.addresses[0][1]
        yield _Bench(service, simulator, http, f"http://127.0.0.1:{port}", log)


def _fleet(simulator: "Simulator", log: Path, balanced: str) -> str:
    lines = ["[providers.sim]", 'use = "openai"', f"base_url = {json.dumps(simulator.base_url)}"]
    for profile in simulator.profiles:
        model = balanced if balanced and profile.name == "balanced" else profile.name
        price = f"price = {{ input = {profile.usd_in}, output = {profile.usd_out} }}"
        lines += [f'[members."{profile.name}"]', 'provider = "sim"', f'model = "{model}"', price]
    judge = ["[judges.house]", 'use = "pairwise"', 'model = "judge"']
    return "\n".join([*lines, *judge, "[store]", f"path = {json.dumps(str(log.resolve()))}"]) + "\n"


def _tasks(seed: int, kind: str | None = None) -> "Iterator[Task]":
    """Tasks without tools, as many as are asked for; every second one of ``kind`` where that is given."""
    from ensemble.simulator.tasks.making import make_tasks

    plain = (task for task in make_tasks(10**6, seed) if not task.tools)
    if kind is None:
        yield from plain
        return
    wanted = (task for task in make_tasks(10**6, seed + 1000) if task.kind == kind)
    for pair in zip(wanted, plain, strict=False):
        yield from pair


async def run(options: Options) -> Report:
    """Make all four parts. Raises RunFailed where a request was not answered."""
    report = Report()
    for part in (_spoilt_member, _unchanged, _spoilt_judge, _replaced):
        await part(options, report)
    return report


async def _spoilt_member(options: Options, report: Report) -> None:
    needed, wrong = list[int](), list[str]()
    for seed in range(options.spoilt):
        async with _serving(options, f"member-{seed}", seed) as bench:
            await bench.settle_in(_tasks(seed), options)
            before = bench.labels(KIND)
            bench.simulator.degrade("large", KIND, LOST)
            await bench.ask(_tasks(seed + 100, KIND), options.most, lambda: bench.state != "watched")
            needed.append(bench.labels(KIND) - before)
            if bench.state != "demoted":
                wrong.append(f"run {seed}: {bench.state} after {needed[-1]} labels of {KIND}: {bench.why}")
            elif needed[-1] > WITHIN:
                wrong.append(f"run {seed}: demoted after {needed[-1]} labels")
    told = f"after {', '.join(map(str, needed))} labels of {KIND} (median {statistics.median(needed):g})"
    report.promise(f"a large member spoilt for {KIND}: demoted within {WITHIN} labels of that kind", wrong, told)


async def _unchanged(options: Options, report: Report) -> None:
    wrong, labels = list[str](), 0
    for seed in range(options.unchanged):
        async with _serving(options, f"same-{seed}", seed + 200) as bench:
            await bench.ask(_tasks(seed + 200), options.requests)
            labels += bench.count("SELECT count(*) FROM watched WHERE event = 'label'")
            if bench.state != "watched":
                wrong.append(f"run {seed}: {bench.state}: {bench.why}")
    told = f"0 of {options.unchanged}, with {labels:,} labels in all"
    report.promise(f"no demotion and no judge_drift in {options.unchanged} runs without change", wrong, told)


async def _spoilt_judge(options: Options, report: Report) -> None:
    wrong, asked = list[str](), list[int]()
    for seed in range(options.spoilt):
        async with _serving(options, f"judge-{seed}", seed + 300) as bench:
            await bench.settle_in(_tasks(seed + 300), options)
            before = bench.count("SELECT count(*) FROM watched WHERE event = 'label'")
            bench.simulator.mislead("judge", noise=NOISE)
            await bench.ask(_tasks(seed + 400), options.most, lambda: bench.state != "watched")
            asked.append(bench.count("SELECT count(*) FROM watched WHERE event = 'label'") - before)
            if bench.state != "judge_drift":
                wrong.append(f"run {seed}: {bench.state}: {bench.why}")
    told = f"after {', '.join(map(str, asked))} labels"
    report.promise("a spoilt judge: judge_drift, and no demotion", wrong, told)


async def _replaced(options: Options, report: Report) -> None:
    """Learns a router from the labels of a shadow, then puts another model in the place of the balanced member."""
    import numpy as np

    from ensemble.fleet import digest_of
    from ensemble.training.held import hold
    from ensemble.training.reading import examples_of
    from ensemble.training.train import Order, train

    async with _serving(options, "learn", 500, share=1.0) as bench:
        await bench.ask(_tasks(500), options.learn)
        digests = {str(name): digest_of(one) for name, one in bench.service.settings.members.items()}
    order = Order(out=options.folder / "router", kind="linear", digests=digests, members=("small", "balanced", "large"))
    await asyncio.to_thread(lambda: train(hold(examples_of(bench.log, complete=False)).table, order))
    router = f'[routers.routed]\nuse = "learned"\npath = {json.dumps(str(order.out.resolve()))}\ntarget_quality = 0.9\n'
    served, shadowed = "SELECT count(*) FROM requests WHERE member = 'balanced'", "purpose = 'shadow'"
    async with _serving(options, "kept", 500, router=router) as bench:
        await bench.ask(_tasks(501), options.before)
        trusted = bench.count(served)
    async with _serving(options, "replaced", 500, router=router, balanced="birch-balanced") as bench:
        await bench.ask(_tasks(501), options.before)
        answered = bench.count(served)
        now = {str(name): digest_of(one) for name, one in bench.service.settings.members.items()}
        labels = bench.count(f"SELECT count(*) FROM calls WHERE member = 'balanced' AND {shadowed}")  # noqa: S608
    wrong = [f"it answered {answered} requests"] * bool(answered) + ["it was never asked"] * (not labels)
    held = hold(examples_of(options.folder / "learn.db", complete=False), digests=now)
    old = int((~np.isnan(held.table.only(("balanced",)).quality)).sum())
    wrong += [f"{old} labels of the member before it count for it"] * bool(old)
    told = f"0 of {options.before} answers, {labels} shadow calls (before: {trusted} answers)"
    report.promise("a replaced member is explored, not trusted", wrong, told)


def written(report: Report, options: Options) -> str:
    """The report for people to read, as Markdown."""
    about = (
        f"The watch on a router, on simulated providers: {options.share:.0%} shadow share, alpha {options.alpha:g},\n"
        "a judge that errs on 5 % of its comparisons."
    )
    rows = [[each.name, "kept" if each.kept else "BROKEN", each.found] for each in report.promises]
    return f"{about}\n\n{_runs.table(['promise', '', 'found (simulated)'], rows)}"


@click.command(epilog="Example: scripts/drift_run")
@click.option("--share", type=click.FloatRange(0.01, 1), default=0.2, show_default=True, help="Shadow share.")
@click.option("--alpha", type=click.FloatRange(1e-9, 0.2), default=0.001, show_default=True, help="Error rate.")
@click.option("--spoilt", type=click.IntRange(1, 100), default=3, show_default=True, help="Runs for each spoilt part.")
@click.option("--unchanged", type=click.IntRange(1, 1000), default=20, show_default=True, help="Runs without change.")
@click.option("--requests", type=click.IntRange(50), default=1000, show_default=True, help="Of a run without change.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to keep the logs; thrown away if not given.")
def command(share: float, alpha: float, spoilt: int, unchanged: int, requests: int, folder: Path | None) -> None:
    """Spoil a member, a judge, nothing, replace a member; exits with 1 where a promise is broken."""
    with tempfile.TemporaryDirectory(prefix="drift-run-") as temporary:
        options = Options(
            folder=folder or Path(temporary) / "logs",
            share=share,
            alpha=alpha,
            spoilt=spoilt,
            unchanged=unchanged,
            requests=requests,
        )
        try:
            report = asyncio.run(run(options))
        except _runs.RunFailed as error:
            raise click.ClickException(str(error)) from error
    print(written(report, options))
    broken = "; ".join(promise.name for promise in report.broken)
    kept = f"all {len(report.promises)} promises kept"
    print(f"scripts/drift_run: {f'BROKEN: {broken}' if broken else kept}", file=sys.stderr)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    command(prog_name="scripts/drift_run")
