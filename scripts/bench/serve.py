"""What an ensemble request costs: 3 candidates and 1 judge call, logged durably, beside the floor in the same run.

A mock upstream answers at once and after 50 ms. The service is pinned to one core; the load (wrk) and the mock have the
others. The floor is an aiohttp server with four raw aiohttp calls and orjson; "floor + log" keeps one durable SQLite
batch per request besides. CPU is that of the process tree. Absolute figures drift with the machine, so rounds are
paired: in each, every system is measured in turn, and a ratio is taken within the round.

Exits with 1 where a promise is broken: a request without a good answer, an answer that is not in the log, or one that
no judge decided. A figure that is worse than its target is said, and breaks nothing.
"""

import argparse
import platform
import sys
import tempfile
from pathlib import Path

from scripts.bench._measure import Bench
from scripts.bench._processes import BenchFailed, cores, interrupted_by_sigterm
from scripts.bench._soak import soak
from scripts.bench._steps import steps, tool
from scripts.bench._upstream import upstream
from scripts.bench._wrk import found


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench/serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="paired rounds (default: %(default)s)")
    parser.add_argument(
        "--quick", action="store_true", help="the direct transport alone, with 64 clients and no delay: some 90 s"
    )
    parser.add_argument(
        "--steps", action="store_true", help="instead: what --quick compares, in instructions, by valgrind"
    )
    parser.add_argument("--seconds", type=int, default=2, help="length of one measurement (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the logs go, on the disk in question (default: temporary)")
    parser.add_argument(
        "--soak", type=float, metavar="MINUTES", help="instead: load with 10 %% faults, and what grows meanwhile"
    )
    return parser.parse_args()


def interpreter() -> str:
    """Which Python this is and where it comes from: one built without optimizations is a third slower."""
    build = f"{platform.python_build()[1]}, {platform.python_compiler()}"
    return f"Python {platform.python_version()} ({build}), from {sys.base_prefix}; another: ENSEMBLE_VENV, PATH."


def main() -> int:
    """Run it; the exit code."""
    given = arguments()
    interrupted_by_sigterm()
    try:
        tool("valgrind") if given.steps else found()
        with tempfile.TemporaryDirectory(prefix="ensemble-bench-", dir=given.folder) as name:
            measured, others = cores()
            with upstream(Path(name), others) as mock:
                print(f"Mock upstream: {mock.kind}; the service on core {measured}, the rest on {others}.")
                print(f"{interpreter()}\n", flush=True)
                if given.steps:
                    broken = steps(Path(name), mock, measured | others)
                elif given.soak is not None:
                    broken = soak(Path(name), mock, measured, others, given.soak)
                else:
                    bench = Bench(Path(name), mock, measured, others, given.rounds, given.seconds, quick=given.quick)
                    broken = bench.run()
    except BenchFailed as error:
        sys.stderr.write(f"scripts/bench/serve: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("scripts/bench/serve: stopped; nothing is left running\n")
        return 130
    for promise in broken:
        print(f"BROKEN: {promise}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
