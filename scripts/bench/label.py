"""Memory and speed of labelling over many generated prompts, with members that answer at once in the same process.

The members are a stub without any network, so the rate is that of reading, storing and judging alone. Memory is the
resident set of the process by the kernel; the log grows on disk and not in it.
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ensemble.labelling.rejects import Rejects
from ensemble.labelling.rows import Row
from ensemble.labelling.runner import Options, Runner
from ensemble.labelling.tally import Tally
from ensemble.service import open_service
from judges.types import Message, Prompt

SLACK = 0.1
"""Share by which memory may grow from the first tenth of the prompts to the end, and still be called flat."""


def configuration(folder: Path, members: int) -> Path:
    """A panel of instant members with a judge that asks nobody."""
    names = [f"m{n}" for n in range(members)]
    lines = [
        "[providers.instant]",
        f'use = "{Path(__file__).with_name("_instant.py")}"',
        '[judges.longest]\nuse = "longest"',
        f'[routers.panel]\nuse = "parallel"\nmembers = {names}\njudge = "longest"',
        f'[store]\npath = "{folder / "label.db"}"',
    ]
    lines += [
        f'[members.{name}]\nprovider = "instant"\nmodel = "{name}"\nprice = {{ input = 1, output = 2 }}'
        for name in names
    ]
    path = folder / "ensemble.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def generated(number: int) -> Iterator[Row]:
    """So many prompts, all different."""
    for at in range(1, number + 1):
        text = f"Question {at}: what is {at * 7919 % 1_000_003} in words, and why? " * 3
        yield Row(position=at, row_id=str(at), prompt=Prompt(messages=(Message(role="user", content=text),)))


def resident() -> float:
    """MiB of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def watch(tally: Tally, number: int, seen: list[tuple[int, float, float]]) -> None:
    """Note rows, seconds and memory at every twentieth of the way, and print them."""
    begin, step = time.monotonic(), max(1, number // 20)
    print(f"{'prompts':>10} {'seconds':>8} {'per s':>7} {'MiB':>7}")
    while True:
        await asyncio.sleep(0.05)
        if tally.done >= (len(seen) + 1) * step:
            seconds = time.monotonic() - begin
            seen.append((tally.done, seconds, resident()))
            print(f"{tally.done:>10,} {seconds:>8.1f} {tally.done / seconds:>7.0f} {seen[-1][2]:>7.1f}", flush=True)


async def bench(folder: Path, number: int, members: int) -> list[tuple[int, float, float]]:
    """Label so many prompts; returns prompts done, seconds and MiB along the way."""
    seen: list[tuple[int, float, float]] = []
    async with open_service(configuration(folder, members)) as service:
        runner = Runner(service.pipeline, Options(run="bench", router="panel"))
        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(watch(runner.tally, number, seen))
            with Rejects(folder / "rejects.jsonl") as rejects:
                await runner.label(generated(number), rejects)
            seen.append((runner.tally.done, 0.0, resident()))
            watcher.cancel()
    return seen


def command() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench/label", description=__doc__)
    parser.add_argument("--prompts", type=int, default=1_000_000, help="how many (default 1,000,000)")
    parser.add_argument("--members", type=int, default=2, help="how many answer each (default 2)")
    parser.add_argument("--folder", type=Path, help="where the log goes; thrown away if not given")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="label-bench-") as temporary:
        seen = asyncio.run(bench(given.folder or Path(temporary), given.prompts, given.members))
    early, late = seen[min(1, len(seen) - 1)][2], seen[-1][2]
    growth = late / early - 1
    told = f"{early:.0f} MiB after a tenth, {late:.0f} MiB at the end ({growth:+.1%})"
    print(f"scripts/bench/label: {told}: {'flat' if growth <= SLACK else 'NOT flat'}", file=sys.stderr)
    sys.exit(1 if growth > SLACK else 0)


if __name__ == "__main__":
    command()
