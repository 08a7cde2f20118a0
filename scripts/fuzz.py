"""Throw bytes at every parser of what strangers write, and hold each to the errors that it documents.

Each target runs in a process of its own: what it finds, what it takes, and how long it takes are that process's. The
search is guided by branches (atheris, which is libFuzzer for Python); without atheris it mutates at random.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from scripts import _runs
from scripts._fuzz_targets import TARGETS, Target

EXTRA_S = 120.0
"""Seconds that a target may take beyond its own: to start, to try what is known, and a single input's timeout."""
PROMISES = (
    "Whatever bytes come, a parser answers or raises an error that it documents.",
    "No input of up to 64 KB takes more than 100 ms of CPU.",
    "Memory stays below 512 MiB per parser.",
)
MOST_MIB = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one target; ``finding`` is None where every promise was kept."""

    name: str
    tried: int = 0
    slowest_s: float = 0.0
    peak_mib: float = 0.0
    finding: str | None = None
    input: str | None = None


async def fuzz(seconds: float, seed: int, targets: Sequence[Target] = TARGETS) -> list[Result]:
    """Try every target for so many seconds."""
    return [await _one(target, seconds, seed) for target in targets]


async def _one(target: Target, seconds: float, seed: int) -> Result:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        command = ["-P", "-m", "scripts._fuzz_one", target.name, f"{seconds:g}", str(seed), folder]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            cwd=Path(__file__).parent.parent,
            env={"PYTHONPATH": str(Path(__file__).parent.parent), "PATH": "/usr/bin:/bin", "HOME": folder},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(seconds + EXTRA_S):
                said, errors = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.communicate()
            return Result(name=target.name, finding=f"it still ran {EXTRA_S:g} s after its time")
    return _read(target, process.returncode, said, errors)


def _read(target: Target, status: int | None, said: bytes, errors: bytes) -> Result:
    lines = [line for line in said.decode(errors="replace").splitlines() if line.startswith('{"target"')]
    if not lines:
        last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        return Result(name=target.name, finding=f"it ended with status {status}: {last[0]}")
    told = json.loads(next((line for line in lines if json.loads(line)["finding"]), lines[-1]))
    finding = told["finding"]
    if finding is None and told["peak_mib"] > MOST_MIB:
        finding = f"it took {told['peak_mib']:.0f} MiB"
    return Result(
        name=target.name,
        tried=told["tried"],
        slowest_s=told["slowest_s"],
        peak_mib=told["peak_mib"],
        finding=finding,
        input=told["input"],
    )


def written(results: Sequence[Result]) -> str:
    """The results for people to read, as Markdown."""
    rows = [
        [one.name, f"{one.tried:,}", f"{one.slowest_s * 1000:.1f} ms", f"{one.peak_mib:.0f}", one.finding or "-"]
        for one in results
    ]
    table = _runs.table(["parser", "inputs", "slowest, CPU", "peak MiB", "finding"], rows)
    inputs = [f"{one.name}, an input that shows it: {one.input}" for one in results if one.finding and one.input]
    return "\n\n".join([table, *inputs])


@click.command(epilog="Example: scripts/fuzz --minutes 5")
@click.option("--minutes", type=click.FloatRange(min=0.05), default=5.0, show_default=True, help="For all of it.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the search.")
@click.option("--only", type=click.Choice([one.name for one in TARGETS]), help="One parser alone.")
def command(minutes: float, seed: int, only: str | None) -> None:
    """Throw bytes at every parser of what strangers write; exits with 1 where one breaks a promise."""
    targets = [one for one in TARGETS if only in (None, one.name)]
    results = asyncio.run(fuzz(minutes * 60 / len(targets), seed, targets))
    print(written(results))
    found = [one for one in results if one.finding]
    tried = sum(one.tried for one in results)
    told = f"{len(found)} FINDINGS" if found else "every promise was kept"
    print(f"scripts/fuzz: {told}, {tried:,} inputs at {len(results)} parsers", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    command(prog_name="scripts/fuzz")
