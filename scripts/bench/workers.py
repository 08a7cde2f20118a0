"""What several workers answer beside one: 3 candidates and 1 judge call a request, logged durably in one SQLite file.

A mock upstream answers at once. The service may use every core, and so may the load (wrk) and the mock: on a machine of
few cores these take much of what more workers could use, so the figures are a lower bound there. Each number of workers
is measured in each round, in turn.

Exits with 1 where a promise is broken: a request without a good answer, or an answer that is not in the log.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.bench._processes import BenchFailed, cpu_s, interrupted_by_sigterm, quiet, resident_mb
from scripts.bench._systems import kept, service
from scripts.bench._upstream import Upstream, upstream
from scripts.bench._wrk import found, load

_BODY = b'{"model": "panel3", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}'
_PROGRAM = (sys.executable, "-P", "-c", "from ensemble.cli import main; main()", "serve", "--quiet", "--workers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement: requests a second, p50 and p99 in ms, CPU in ms per request, resident MB; and answers lost."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    resident_mb: float
    lost: int


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench/workers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers of workers (default: 1 2)")
    parser.add_argument("--clients", type=int, default=64, help="clients at once (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=4, help="length of one measurement (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the logs go, on the disk in question (default: temporary)")
    return parser.parse_args()


def measured(folder: Path, mock: Upstream, workers: int, clients: int, seconds: int) -> Row:
    """One measurement, of a service and a log of its own."""
    folder.mkdir()
    everywhere = os.sched_getaffinity(0)
    program = (*_PROGRAM, str(workers))
    with service(folder, mock, "0", everywhere, "direct", program=program) as system:
        url = f"{system.url}/chat/completions"
        load(url, _BODY, folder, clients=clients, seconds=1, on=everywhere)
        quiet(system.pid)
        before = cpu_s(system.pid)
        seen = load(url, _BODY, folder, clients=clients, seconds=seconds, on=everywhere)
        quiet(system.pid)
        used, held = cpu_s(system.pid) - before, resident_mb(system.pid)
    if system.log is None:
        raise BenchFailed("the service keeps no log")
    answered, _ = kept(system.log)
    return Row(
        rate=seen.count / seen.seconds,
        p50_ms=seen.p50_ms,
        p99_ms=seen.p99_ms,
        cpu_ms=used / max(1, seen.count) * 1000,
        resident_mb=held,
        lost=seen.failed + max(0, seen.count - answered),
    )


def table(rows: dict[int, list[Row]]) -> list[str]:
    """Medians, as a table; the gain over the first number is paired within rounds."""
    first = next(iter(rows.values()))
    lines = [
        "| workers | requests/s | times the first | p50 ms | p99 ms | CPU ms per request | resident MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for workers, own in rows.items():
        gains = sorted(row.rate / other.rate for row, other in zip(own, first, strict=True))
        told = (
            f"{workers}", f"{_median(own, 'rate'):,.0f}", f"{gains[0]:.2f}-{gains[-1]:.2f}",
            f"{_median(own, 'p50_ms'):.0f}", f"{_median(own, 'p99_ms'):.0f}", f"{_median(own, 'cpu_ms'):.2f}",
            f"{_median(own, 'resident_mb'):.0f}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(told)} |")
    return lines


def _median(rows: Sequence[Row], field: str) -> float:
    return statistics.median(float(getattr(row, field)) for row in rows)


def main() -> int:
    """Run it; the exit code."""
    given = arguments()
    interrupted_by_sigterm()
    rows: dict[int, list[Row]] = {workers: [] for workers in given.workers}
    try:
        found()
        with tempfile.TemporaryDirectory(prefix="ensemble-bench-", dir=given.folder) as name:
            everywhere = os.sched_getaffinity(0)
            with upstream(Path(name), everywhere) as mock:
                print(
                    f"Mock upstream: {mock.kind}; it, the load and the service share {len(everywhere)} cores; "
                    f"{given.clients} clients.\n",
                    flush=True,
                )
                for number in range(given.rounds):
                    for workers in given.workers:
                        place = Path(name, f"{number}-{workers}")
                        rows[workers].append(measured(place, mock, workers, given.clients, given.seconds))
    except BenchFailed as error:
        sys.stderr.write(f"scripts/bench/workers: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("scripts/bench/workers: stopped; nothing is left running\n")
        return 130
    print("\n".join(table(rows)))
    lost = sum(row.lost for own in rows.values() for row in own)
    if lost:
        print(f"BROKEN: {lost} requests without a good answer, or with one that is not in the log")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
