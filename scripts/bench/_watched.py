"""``ensemble serve``, with somebody inside who counts tasks and measures by how much the event loop comes late.

Arguments: the file into which that is written once a second, ``--config`` and the configuration.
"""

import asyncio
import json
import logging
import sys
import time
from pathlib import Path

from ensemble.cli.serve import loop_factory
from ensemble.config import load
from ensemble.server.app import run
from ensemble.server.logs import to_stderr
from ensemble.service import open_service

BEAT_S = 0.02


async def _watch(path: Path) -> None:
    """Keep the longest stall since the file was read last; whoever reads it does so once a minute or so."""
    lags: list[tuple[float, float]] = []
    while True:
        until = time.monotonic() + 1
        while (now := time.monotonic()) < until:
            await asyncio.sleep(BEAT_S)
            lags.append((now, time.monotonic() - now - BEAT_S))
        lags = [(at, lag) for at, lag in lags if at > now - 60]
        told = {"tasks": len(asyncio.all_tasks()), "lag_ms": max(lag for _, lag in lags) * 1000}
        path.write_text(json.dumps(told), encoding="utf-8")  # noqa: ASYNC240 - a line, in a benchmark


async def main(watch: Path, config: Path) -> None:
    """Serve until told to stop."""
    async with open_service(load(config)) as service, asyncio.TaskGroup() as group:
        watching = group.create_task(_watch(watch))
        await run(service, lambda address: print(f"{address}/v1", flush=True))
        watching.cancel()


if __name__ == "__main__":
    to_stderr(logging.ERROR, "json")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main(Path(sys.argv[1]), Path(sys.argv[3])))
