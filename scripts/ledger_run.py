"""The ledger against what the simulated fleet says it served, under faults, retries, hedges, hang-ups and late calls.

Starts the simulated fleet and ``ensemble serve`` as a process of its own, with members of both wire formats, asks with
the official client, half streamed, and holds every line of the ledger against the simulator's record of that call.
"""

import asyncio
import json
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts import _runs
from scripts._ledger import MARK, Asked, Report, Run, Sums, Upstream, dollars, inspect, question_in
from scripts._runs import Price, RunFailed

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from ensemble.simulator import Simulator

LATENCY = 0.02
"""Factor on the simulated latencies: some 10 ms to the first token, and a scatter that hedging can learn from."""
PATIENCE_S = 1.0
"""What a member is given for one attempt, which is what ends silence and trickles."""
SIDES = ("simulator", "ledger")
ROUTERS = ("patient", "hedged", "quick", "hasty")
# No whole nano-dollars per token, so that rounding shows.
PRICES: Mapping[str, Price] = {
    "small": Price(input=Decimal("0.1234567"), output=Decimal("0.6000005")),
    "large": Price(input=Decimal("5.0000003"), output=Decimal("20.1234567")),
    "birch-small": Price(input=Decimal("0.8000001"), output=Decimal("4.0000007")),
    "birch-balanced": Price(input=Decimal("3.3333333"), output=Decimal("15.0000009")),
    "judge": Price(input=Decimal("2.0000001"), output=Decimal("8.7654321")),
    "absent": Price(input=Decimal("1"), output=Decimal("1")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to run. ``faults`` is the share of calls that a provider spoils, ``leaving`` of clients that hang up."""

    database: Path
    requests: int = 2000
    faults: float = 0.2
    leaving: float = 0.1
    concurrency: int = 32
    seed: int = 0


def configuration(openai_url: str, anthropic_url: str, nobody: str, database: Path) -> str:
    """Four routers over both wire formats, as a TOML file; nobody listens at ``nobody``."""
    providers = {"oak": ("openai", openai_url), "birch": ("anthropic", anthropic_url), "nobody": ("openai", nobody)}
    lines = [
        f"[providers.{name}]\nuse = {json.dumps(wire)}\nbase_url = {json.dumps(url)}\nmax_body_bytes = 200_000"
        for name, (wire, url) in providers.items()
    ]
    for name, price in PRICES.items():
        provider = "nobody" if name == "absent" else "birch" if name.startswith("birch") else "oak"
        lines.append(
            f"[members.{name}]\nprovider = {json.dumps(provider)}\nmodel = {json.dumps(name)}\n"
            f"max_output_tokens = 1000\ntimeout_s = {PATIENCE_S}\ncircuit_open_s = 0.1\n"
            f"max_attempts = {1 if name == 'absent' else 3}\n"
            f"price = {{ input = {price.input}, output = {price.output} }}"
        )
    panel = ["large", "birch-balanced", "small"]
    lines.append('[judges.house]\nuse = "pairwise"\nmodel = "judge"')
    for name, members, rules in (
        ("patient", [*panel, "absent"], 'on_disconnect = "finish"'),
        ("hedged", panel, "hedge = true"),
        ("quick", [*panel, "birch-small"], 'quorum = 1\nstraggler_s = 3\non_disconnect = "finish"'),
        ("hasty", panel, "quorum = 1\ngrace_s = 0.005"),
    ):
        lines.append(
            f'[routers.{name}]\nuse = "parallel"\nmembers = {json.dumps(members)}\njudge = "house"\ndeadline_s = 30\n'
            + rules
        )
    return "\n".join([*lines, f"[store]\npath = {json.dumps(str(database.resolve()))}", "[server]\nport = 0\n"])


async def drive(options: Options) -> Run:
    """Ask everything once, stop the server, and return what was seen on both sides of it.

    Raises:
        RunFailed: fleet or server could not be started, or the database is there already.
    """
    from ensemble.simulator import Simulator, SimulatorSettings
    from ensemble.simulator.script import FAULTS

    if options.database.exists():
        raise RunFailed(f"{options.database} exists; its lines are to be counted, so name a new file")
    settings = SimulatorSettings(
        latency=LATENCY,
        seed=options.seed,
        faults=dict.fromkeys(FAULTS, options.faults / len(FAULTS)),
        fault_retry_after_s=0.02,
    )
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(settings))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ledger-run-"))
        taken = stack.enter_context(socket.socket())
        taken.bind(("127.0.0.1", 0))  # nobody listens here, and nobody else gets the port
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        config = Path(folder) / "ensemble.toml"
        text = configuration(simulator.base_url, simulator.anthropic_url, nobody, options.database)
        config.write_text(text, encoding="utf-8")
        async with _runs.serving(config) as server, server.client() as client:
            begin = time.monotonic()
            asked = await _ask_all(client, options)
            seconds = time.monotonic() - begin
        # The server has stopped, so what is still in flight here is only the noticing of that.
        await simulator.until(in_flight=0)
        return Run(
            asked=asked,
            served=list(_served(simulator)),
            prices=PRICES,
            faults=FAULTS if options.faults > 0 else (),
            seconds=seconds,
            full=options.requests >= 1000,
        )


async def _ask_all(client: "AsyncOpenAI", options: Options) -> list[Asked]:
    lost = _runs.client_errors()
    asked = list[Asked]()
    waiting = iter(range(options.requests))

    async def work() -> None:
        for at in waiting:
            drawn = random.Random(f"{options.seed} {at}")  # noqa: S311 - who leaves when is no secret
            patience_s = drawn.uniform(0.005, 0.1) if drawn.random() < options.leaving else None
            asked.append(await one(at, patience_s))

    async def one(at: int, patience_s: float | None) -> Asked:
        prompt = f"This is {MARK} {at}. What is {at % 97} plus {at % 89}?"
        # Streams alternate within each router, not from router to router.
        router, stream = ROUTERS[at % len(ROUTERS)], (at // len(ROUTERS)) % 2 == 1
        try:
            async with asyncio.timeout(patience_s):
                reply = await _runs.ask(client, prompt, stream=stream, at=at, model=router)
        except TimeoutError:
            return Asked(at=at, streamed=stream, end="left")
        except lost:
            return Asked(at=at, streamed=stream, end="failed")
        return Asked(at=at, streamed=stream, end="answered", reply=reply)

    async with asyncio.TaskGroup() as group:
        for _ in range(options.concurrency):
            group.create_task(work())
    return asked


def _served(simulator: "Simulator") -> Iterator[Upstream]:
    for call in simulator.served:
        yield Upstream(
            id=call.request_id,
            member=call.model,
            question=question_in(call.body),
            status=call.status,
            fault=call.fault,
            worked_input=call.prompt_tokens,
            worked_output=call.completion_tokens,
            told_input=call.told_prompt_tokens,
            told_output=call.told_completion_tokens,
        )


def written(run: Run, report: Report, options: Options) -> str:
    """The report for people to read, as Markdown."""
    ends = Counter(one.end for one in run.asked)
    spoilt = sum(call.fault is not None for call in run.served)
    about = (
        f"{len(run.asked):,} requests, {sum(one.streamed for one in run.asked):,} of them streamed, at concurrency "
        f"{options.concurrency}, seed {options.seed}; members of both wire formats.\n"
        f"The providers are simulated, and so is every figure: {len(run.served):,} calls in {run.seconds:.1f} s, "
        f"{spoilt:,} ({spoilt / max(1, len(run.served)):.1%}) spoilt in {len(run.faults)} ways."
    )
    what = [[f"requests {end}", f"{ends[end]:,}"] for end in ("answered", "failed", "left")]
    what += [[kind, f"{count:,}"] for kind, count in report.lines.items()]
    sums = [
        _sum_row(name, who, each) for name, both in report.sums.items() for who, each in zip(SIDES, both, strict=True)
    ]
    unknown = [
        [each.failure, each.fault, f"{each.calls:,}", "?" if each.nano_usd is None else dollars(each.nano_usd)]
        for each in report.unknown
    ]
    promises = [
        [
            each.name,
            "BROKEN" if each.wrong else "kept",
            f"{len(each.wrong)} wrong: {each.wrong[0]}" if each.wrong else "",
        ]
        for each in report.promises
    ]
    return "\n\n".join(
        [
            about,
            _runs.table(["what", "number"], what),
            _runs.table(["member", "says", "calls told", "input tokens", "output tokens", "USD"], sums),
            "Unknown here: the ledger holds no price, and what the simulator worked on would have been billed so:",
            _runs.table(["failure here", "fault there", "calls", "USD there"], unknown),
            _runs.table(["promise", "", "found"], promises),
        ]
    )


def _sum_row(name: str, who: str, sums: Sums) -> list[str]:
    return [name, who, f"{sums.calls:,}", f"{sums.input:,}", f"{sums.output:,}", dollars(sums.nano_usd)]


def summary(run: Run, report: Report) -> str:
    """The last line."""
    if report.broken:
        return f"scripts/ledger_run: BROKEN: {'; '.join(promise.name for promise in report.broken)}"
    total = sum(held.nano_usd for _, held in report.sums.values())
    unknown = report.lines.get("unknown prices", 0)
    return (
        f"scripts/ledger_run: {len(run.asked)} requests, {len(run.served)} simulated calls in {run.seconds:.1f} s: "
        f"ledger equal to the token and nano-dollar (${dollars(total)}), {unknown} prices unknown and none of them 0"
    )


@click.command(epilog="Example: scripts/ledger_run --requests 2000")
@click.option("--requests", type=click.IntRange(min=1), default=2000, show_default=True, help="How many to send.")
@click.option("--faults", type=click.FloatRange(0, 0.9), default=0.2, show_default=True, help="Share of spoilt calls.")
@click.option("--leaving", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="Share that hangs up.")
@click.option("--concurrency", type=click.IntRange(1, 1000), default=32, show_default=True, help="Requests at once.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of faults and hang-ups.")
@click.option("--db", type=click.Path(path_type=Path), help="Where to keep the log; thrown away if not given.")
def command(requests: int, faults: float, leaving: float, concurrency: int, seed: int, db: Path | None) -> None:
    """Hold the ledger against what the simulated providers served, call by call and in sum.

    Exits with 1 where a promise is broken.
    """
    with tempfile.TemporaryDirectory(prefix="ledger-run-db-") as folder:
        options = Options(
            database=db or Path(folder) / "ledger.db",
            requests=requests,
            faults=faults,
            leaving=leaving,
            concurrency=concurrency,
            seed=seed,
        )
        try:
            run = asyncio.run(drive(options))
        except RunFailed as error:
            raise click.ClickException(str(error)) from error
        report = inspect(run, options.database)
    print(written(run, report, options))
    print(summary(run, report), file=sys.stderr)
    sys.exit(1 if report.broken else 0)


if __name__ == "__main__":
    command(prog_name="scripts/ledger_run")
