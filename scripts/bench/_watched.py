"""``ensemble serve``, with somebody inside who counts tasks and measures by how much the event loop comes late.

Arguments: the file into which that is written once a second, ``--config`` and the configuration.
"""

import asyncio
import json
import logging
import sys
import time
from pathlib import Path

import click

from ensemble.cli import main as command_line
from ensemble.cli._light import share_one_heap

BEAT_S = 0.02
_MINUTE_S = 60.0


async def _watch(path: Path) -> None:
    """Tell once a second how many tasks there are, and of the stalls within a minute.

    Those are the longest, and the most CPU that the loop's own thread used in one: the rest of a stall is time in which
    it had no core, or another thread had the interpreter.
    """
    stalls: list[tuple[float, float, float]] = []
    while True:
        until = time.monotonic() + 1
        while (now := time.monotonic()) < until:
            used = time.thread_time()
            await asyncio.sleep(BEAT_S)
            stalls.append((now, time.monotonic() - now - BEAT_S, time.thread_time() - used))
        stalls = [stall for stall in stalls if stall[0] > now - _MINUTE_S]
        told = {
            "tasks": len(asyncio.all_tasks()),
            "lag_ms": max(late for _, late, _ in stalls) * 1000,
            "own_ms": max(cpu for _, _, cpu in stalls) * 1000,
        }
        path.write_text(json.dumps(told), encoding="utf-8")  # noqa: ASYNC240 - a line, in a benchmark


async def _main(watch: Path, config: Path) -> None:
    """Serve until told to stop."""
    # Here, since they import what the command line leaves out of memory, once nobody has loaded it before.
    from ensemble.cli.serve import spare_the_collector
    from ensemble.config import load
    from ensemble.server.app import run
    from ensemble.service import open_service

    async with open_service(load(config)) as service, asyncio.TaskGroup() as group:
        spare_the_collector()
        watching = group.create_task(_watch(watch))
        await run(service, lambda address: print(f"{address}/v1", flush=True))
        watching.cancel()


def main() -> None:
    """As ``ensemble serve --quiet`` begins, with the same things in memory."""
    command_line.get_command(click.Context(command_line), "serve")
    share_one_heap()
    from ensemble.cli.serve import loop_factory
    from ensemble.server.logs import to_stderr

    to_stderr(logging.ERROR, "json")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_main(Path(sys.argv[1]), Path(sys.argv[3])))


if __name__ == "__main__":
    main()
