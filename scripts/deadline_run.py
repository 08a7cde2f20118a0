"""Deadlines held although members and the judge hang: every answer is timed by the client, over real HTTP.

Of three simulated members one always answers and one never does; the third and the judge hang every other time. A
fan-out and a cascade whose first tier hangs are asked in turn, each request with a deadline of its own in the header.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts import _runs
from scripts._runs import RunFailed

if TYPE_CHECKING:
    from openai import AsyncOpenAI

ROUTERS = ("panel", "frugal")
SHORTEST_S, LONGEST_S = 2.0, 4.0
CONFIG = """
[providers.simulated]
use = "openai"
base_url = "{url}"
max_in_flight = 4096

[members.small]
provider = "simulated"
model = "small"
[members.balanced]
provider = "simulated"
model = "balanced"
circuit_failures = 0
[members.large]
provider = "simulated"
model = "large"
circuit_failures = 0
[members.judge]
provider = "simulated"
model = "judge"
circuit_failures = 0

[judges.pairs]
use = "pairwise"
model = "judge"

[judges.points]
use = "pointwise"
model = "judge"

[routers.panel]
use = "parallel"
members = ["large", "balanced", "small"]
judge = "pairs"
[routers.frugal]
use = "cascade"
judge = "points"
tiers = [{{ members = ["balanced"], accept_score = 0.5 }}, {{ members = ["large", "small"] }}]

[store]
path = {database}
[server]
port = 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: its deadline and when its answer was there (seconds); ``error`` where none came."""

    router: str
    deadline_s: float
    seconds: float
    error: str | None = None

    @property
    def met(self) -> bool:
        """There was an answer in time."""
        return self.error is None and self.seconds <= self.deadline_s


async def drive(requests: int, concurrency: int, seed: int) -> Sequence[Asked]:
    """Ask ``requests`` times, ``concurrency`` at once.

    Raises:
        RunFailed: fleet or server could not be started.
    """
    from ensemble.simulator import Simulator, SimulatorSettings, fault, stall

    draw = random.Random(seed)  # noqa: S311 - no secret
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="deadline-run-")))
        simulator = await stack.enter_async_context(Simulator(SimulatorSettings(latency=0, seed=seed, keep_served=1)))
        # A judge may be asked twice for a pair, a member again after a failure: more steps than there are requests.
        simulator.script("balanced", [fault("silence")] * (4 * requests))
        for name in ("large", "judge"):
            simulator.script(name, [draw.choice((fault("silence"), stall(0))) for _ in range(4 * requests)])
        config = folder / "ensemble.toml"
        text = CONFIG.format(url=simulator.base_url, database=json.dumps(str(folder / "run.db")))
        await asyncio.to_thread(config.write_text, text, encoding="utf-8")
        server = await stack.enter_async_context(_runs.serving(config))
        client = await stack.enter_async_context(server.client())
        waiting = iter([(at, draw.uniform(SHORTEST_S, LONGEST_S)) for at in range(requests)])
        asked: list[Asked] = []

        async def work() -> None:
            for at, deadline_s in waiting:
                asked.append(await _ask(client, at, deadline_s))

        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
    return asked


async def _ask(client: "AsyncOpenAI", at: int, deadline_s: float) -> Asked:
    router = ROUTERS[at % len(ROUTERS)]
    error: str | None = None
    milliseconds = round(deadline_s * 1000)
    begin = time.monotonic()
    try:
        await client.chat.completions.create(
            model=router,
            messages=[{"role": "user", "content": f"What is {at} + 17?"}],
            extra_headers={"x-ensemble-deadline-ms": str(milliseconds)},
        )
    except _runs.client_errors() as failed:
        error = f"{type(failed).__name__}: {failed}"
    return Asked(router=router, deadline_s=milliseconds / 1000, seconds=time.monotonic() - begin, error=error)


def written(asked: Sequence[Asked]) -> str:
    """The report for people to read, as Markdown."""
    head = ["simulated: router", "requests", "met", "least time left"]
    cells = []
    for router in ROUTERS:
        own = [one for one in asked if one.router == router]
        left = min((one.deadline_s - one.seconds for one in own), default=0.0)
        cells.append([router, str(len(own)), str(sum(one.met for one in own)), f"{left * 1000:.0f} ms"])
    return _runs.table(head, cells)


@click.command(epilog="Example: scripts/deadline_run --requests 1000")
@click.option("--requests", type=click.IntRange(min=2), default=1000, show_default=True, help="How many.")
@click.option("--concurrency", type=click.IntRange(1, 100), default=32, show_default=True, help="Requests at once.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of who hangs when, and of the deadlines.")
def command(requests: int, concurrency: int, seed: int) -> None:
    """Ask members and a judge that hang, with deadlines of two to four seconds, and see how many are met.

    Exits with 1 where one was missed.
    """
    try:
        asked = asyncio.run(drive(requests, concurrency, seed))
    except RunFailed as failed:
        raise click.ClickException(str(failed)) from failed
    print(written(asked))
    met = sum(one.met for one in asked)
    for why, times in Counter(one.error for one in asked if one.error).most_common(5):
        print(f"{times} x {why}", file=sys.stderr)
    print(f"scripts/deadline_run: {met} of {len(asked)} deadlines met, simulated", file=sys.stderr)
    sys.exit(0 if met == len(asked) else 1)


if __name__ == "__main__":
    command(prog_name="scripts/deadline_run")
