"""Load from wrk: so many clients, each asking again as soon as it has its answer."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from scripts.bench._processes import BenchFailed

_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open(os.getenv("BENCH_BODY"), "rb")
wrk.body = file:read("*a")
file:close()
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\n{"count": %d, "us": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d, "late": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.status, e.connect + e.read + e.write, e.timeout))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What wrk saw: requests with an answer, of which ``failed`` were no success; seconds, and p50 and p99 in ms."""

    count: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float


def found() -> str:
    """The program. Raises BenchFailed where it is not there."""
    program = shutil.which("wrk")
    if program is None:
        raise BenchFailed("wrk makes the load and is not there; on Debian or Ubuntu: apt-get install wrk")
    return program


def load(url: str, body: bytes, folder: Path, *, clients: int, seconds: float, on: set[int]) -> Load:
    """Ask ``url`` with ``body`` for ``seconds`` from the cores ``on``."""
    script, asked = folder / "post.lua", folder / "body.json"
    script.write_text(_SCRIPT, encoding="utf-8")
    asked.write_bytes(body)
    whole = max(1, round(seconds))
    command = [found(), "-t1", f"-c{clients}", f"-d{whole}s", "--timeout", "30s", "-s", str(script), url]
    done = subprocess.run(
        command,
        env={**os.environ, "BENCH_BODY": str(asked)},
        preexec_fn=lambda: os.sched_setaffinity(0, on),
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("{")), None)
    if line is None:
        raise BenchFailed(f"wrk told nothing: {(done.stderr or done.stdout).strip()[-300:]}")
    told = json.loads(line)
    return Load(
        count=told["count"],
        failed=told["refused"] + told["broken"] + told["late"],
        seconds=told["us"] / 1e6,
        p50_ms=told["p50"] / 1000,
        p99_ms=told["p99"] / 1000,
    )
