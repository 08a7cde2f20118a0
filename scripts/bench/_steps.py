"""What a request costs in instructions, which other work on the machine does not change: systems under callgrind."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import aiohttp

from scripts._runs import table
from scripts.bench._later import settle
from scripts.bench._measure import MANY, PLAIN
from scripts.bench._processes import BenchFailed
from scripts.bench._systems import LOGGED, TRANSPORTS, System, floor, kept, service
from scripts.bench._upstream import DELAYS_MS, Upstream

REQUESTS = {1: 48, MANY: 192}
"""How many are counted, by how many are asked at once."""
WARM = 3
"""Requests of each client beforehand: imports, connections and caches are no part of a request's cost."""
REPLY_S, TOOL_S = 600.0, 60.0
_HEADERS = {"content-type": "application/json", "x-ensemble-deadline-ms": str(round(REPLY_S * 1000))}
"""The service gets as long as the client has, since under callgrind it is a hundred times slower."""
_WHAT = (
    "Instructions of the process, with one and with many requests at once. They count neither the kernel's work nor\n"
    "waiting, so a ratio here is not one of CPU time; but it repeats on a busy machine, which CPU time does not.\n"
)
_TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)

Start = Callable[[Sequence[str]], AbstractContextManager[System]]


def tool(name: str) -> str:
    """Where a program of valgrind is. Raises BenchFailed where it is not there."""
    path = shutil.which(name)
    if path is None:
        raise BenchFailed(f"{name} counts instructions and is not there; on Debian or Ubuntu: apt-get install valgrind")
    return path


def steps(folder: Path, mock: Upstream, on: set[int]) -> list[str]:
    """Count and print; the promises that were broken. Raises BenchFailed where valgrind or a system fails."""
    print(_WHAT, flush=True)
    delay = DELAYS_MS[0]
    starts: Sequence[Start] = (
        lambda under: floor(folder, mock, delay, on, logged=False, under=under),
        lambda under: floor(folder, mock, delay, on, logged=True, under=under),
        lambda under: service(folder, mock, str(delay), on, TRANSPORTS[0], under=under),
    )
    found: dict[tuple[str, int], float] = {}
    broken: list[str] = []
    # One after the other, since whoever idles beside another is only in its way.
    for number, start in enumerate(starts):
        counts = folder / f"steps-{number}"
        with start(callgrind(counts)) as system:
            for clients, requests in REQUESTS.items():
                found[system.name, clients] = instructions(system, counts, clients, requests)
            broken += _broken(system)
    rows = [
        [name, str(clients), f"{count:,.0f}", f"{count / found[LOGGED, clients]:.2f}"]
        for (name, clients), count in found.items()
    ]
    print(table(["system", "at once", "instructions per request", "of floor + log"], rows), flush=True)
    return broken


def callgrind(counts: Path) -> list[str]:
    """What runs a program under callgrind, which counts when it is told to, beside ``counts``."""
    return [tool("valgrind"), "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={counts}"]


def instructions(system: System, counts: Path, clients: int, requests: int) -> float:
    """Of a request to ``system``, which runs under ``callgrind(counts)``, with ``clients`` of them at once.

    Raises:
        BenchFailed: a request had no answer, or callgrind does not do as it is told.
    """
    asyncio.run(_ask(system, clients, clients * WARM))
    settle(system)
    _control(system, "--instr=on")
    asyncio.run(_ask(system, clients, requests))
    settle(system)  # facts and indexes are part of what a request costs
    _control(system, "--instr=off")
    before = set(counts.parent.glob(f"{counts.name}.*"))
    _control(system, "--dump")  # which begins to count anew, too
    made = set(counts.parent.glob(f"{counts.name}.*")) - before
    total = sum(int(one) for part in made for one in _TOTALS.findall(part.read_text(encoding="utf-8")))
    if not total:
        raise BenchFailed(f"callgrind wrote no count of {system.name} beside {counts}")
    return total / requests


def _control(system: System, option: str) -> None:
    command = [tool("callgrind_control"), option, str(system.pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_S, check=False)
    if done.returncode or "OK" not in done.stdout:
        raise BenchFailed(f"callgrind_control {option}: {(done.stderr or done.stdout).strip()[-300:]}")


async def _ask(system: System, clients: int, requests: int) -> None:
    url, left, failed = f"{system.url}/chat/completions", iter(range(requests)), list[str]()
    timeout = aiohttp.ClientTimeout(total=REPLY_S)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:

        async def client() -> None:
            for _ in left:
                try:
                    async with session.post(url, data=PLAIN.body, headers=_HEADERS) as reply:
                        if reply.status != 200 or not await reply.read():
                            failed.append(f"status {reply.status}")
                except (aiohttp.ClientError, TimeoutError) as error:
                    failed.append(repr(error))

        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client())
    if failed:
        raise BenchFailed(f"{system.name}: {len(failed)} requests had no good answer, the first: {failed[0]}")


def _broken(system: System) -> list[str]:
    if system.log is None:
        return []
    asked = sum(clients * WARM + requests for clients, requests in REQUESTS.items())
    answered, decided = kept(system.log)
    if answered == decided == asked:
        return []
    return [f"{system.name}: of {asked} answers {answered} are in the log, {decided} with a verdict"]
