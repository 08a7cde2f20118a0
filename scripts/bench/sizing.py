"""What one replica on one core can do, on each engine of the log, and what that comes to per million requests.

A request is 3 candidates and 1 judge call in front of a mock upstream that answers at once, with a prompt of --prompt
bytes, logged durably. CPU is that of the process tree; that of PostgreSQL is its whole server's, so nobody else may use
it meanwhile. Bytes of the network are those that TCP counted on the replica's own connections to clients and to the
upstream, headers of HTTP included. Prices are examples and arguments. The run takes less than four minutes.
"""

import argparse
import asyncio
import datetime
import json
import os
import re
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripts import _sizing
from scripts.bench._processes import (
    BenchFailed,
    cores,
    cpu_s,
    interrupted_by_sigterm,
    line_of,
    quiet,
    resident_mb,
    running,
)
from scripts.bench._systems import configuration
from scripts.bench._upstream import Upstream, upstream
from scripts.bench._wrk import Load, load

CLIENTS = 64
WARM_S = 2


@dataclass(frozen=True, slots=True)
class Log:
    """Where a replica logs: a file, or a schema of a server."""

    file: Path | None = None
    url: str = ""
    schema: str = ""

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        if self.file is not None:
            with closing(sqlite3.connect(self.file)) as db:
                return list(db.execute(statement))
        return asyncio.run(self._ask(statement))

    async def _ask(self, statement: str) -> list[tuple[Any, ...]]:
        import asyncpg

        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(f"SET search_path TO {self.schema}, public")
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    def count(self) -> int:
        """Requests in it."""
        return int(self.ask("SELECT count(*) FROM requests")[0][0])

    def sizes(self) -> dict[str, int]:
        """Bytes by table, indexes with it."""
        if self.file is not None:
            self.ask("PRAGMA wal_checkpoint(PASSIVE)")  # what stands in the side file is moved over first
            pages = "SELECT name, sum(pgsize) AS size FROM dbstat GROUP BY name"
            statement = f"SELECT tbl_name, sum(size) FROM ({pages}) JOIN sqlite_master USING (name) GROUP BY 1"  # noqa: S608
        else:
            statement = (
                "SELECT relname::text, pg_total_relation_size(oid) FROM pg_class "
                "WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
            )
        return {str(name): int(size) for name, size in self.ask(statement)}

    def server(self) -> int | None:
        """The process of a server on this machine, whose children are its backends; None where there is none."""
        return None if self.file is not None else asyncio.run(self._server())

    async def _server(self) -> int | None:
        import asyncpg

        connection = await asyncpg.connect(self.url)
        try:
            return _parent(await connection.fetchval("SELECT pg_backend_pid()"))
        finally:
            await connection.close()


def _parent(backend: int) -> int | None:
    try:
        name, _, fields = Path(f"/proc/{backend}/stat").read_text(encoding="ascii").rpartition(")")
    except FileNotFoundError:
        return None
    return int(fields.split()[1]) if "postgres" in name else None


@contextmanager
def replica(folder: Path, mock: Upstream, log: Log, on: set[int]) -> Iterator[tuple[str, int]]:
    """``ensemble serve`` on the core ``on``: its address and its process."""
    config, errors = folder / "sizing.toml", folder / "sizing.log"
    text = configuration(f"{mock.url}/0", log.file or folder / "unused.db", "direct")
    if log.file is None:
        text = re.sub(r"^path = .*$", f"url = {json.dumps(f'{log.url}?schema={log.schema}')}", text, flags=re.MULTILINE)
    config.write_text(text, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ENSEMBLE_")}
    start = "from ensemble.cli import main; main()"
    command = [sys.executable, "-P", "-c", start, "serve", "--quiet", "--config", str(config)]
    with running(command, on, errors, environment) as process:
        said = line_of(process, errors)
        url = re.search(r"http://\S+/v1", said)
        if url is None:
            raise BenchFailed(f"the service did not say where it is: {said!r}")
        yield url[0], process.pid


def transferred(pid: int, without: str) -> tuple[int, int]:
    """Bytes that the open connections of a process have received and sent, those to the port ``without`` left out."""
    program = shutil.which("ss")
    if program is None:
        raise BenchFailed("ss counts the bytes of connections and is not there; on Debian or Ubuntu: iproute2")
    done = subprocess.run([program, "-tinHpO"], capture_output=True, text=True, timeout=20, check=True)
    received = sent = 0
    for line in done.stdout.splitlines():
        if f"pid={pid}," in line and (not without or f":{without} " not in line):
            counted = dict(re.findall(r"\b(bytes_received|bytes_sent):(\d+)", line))
            received += int(counted.get("bytes_received", 0))
            sent += int(counted.get("bytes_sent", 0))
    return received, sent


def measured(folder: Path, mock: Upstream, log: Log, prompt: int, seconds: int) -> dict[str, Any]:
    """The figures of one engine."""
    own, others = cores()
    turn = {"role": "user", "content": ("Why? " * prompt)[:prompt]}
    asked = json.dumps({"model": "panel3", "messages": [turn]}).encode()
    with replica(folder, mock, log, own) as (root, pid):
        url = f"{root}/chat/completions"
        load(url, asked, folder, clients=CLIENTS, seconds=WARM_S, on=others)
        quiet(pid)
        before, sizes, used, server = log.count(), log.sizes(), cpu_s(pid), log.server()
        if log.file is None and server is None:
            raise BenchFailed("PostgreSQL is on another machine, where its CPU cannot be counted")
        server_used = cpu_s(server) if server else 0.0
        came: list[Load] = []
        work = threading.Thread(
            target=lambda: came.append(load(url, asked, folder, clients=CLIENTS, seconds=seconds, on=others))
        )
        work.start()
        # In the middle, where the connections stand that the bytes are counted of.
        time.sleep(seconds / 4)
        port = str(urlsplit(log.url).port or 5432) if log.url else ""
        begin, first = log.count(), transferred(pid, port)
        time.sleep(seconds / 2)
        end, second = log.count(), transferred(pid, port)
        work.join()
        quiet(pid)
        count, now, after = log.count() - before, cpu_s(pid), log.sizes()
        spent = cpu_s(server) - server_used if server else 0.0
        if not came or came[0].failed:
            raise BenchFailed(f"requests failed: {came}; see {folder}/sizing.log")
        grown = {name: (size - sizes.get(name, 0)) / count for name, size in after.items() if size > sizes.get(name, 0)}
        return {
            "requests": count,
            "per_s": round(came[0].count / came[0].seconds, 1),
            "p50_ms": came[0].p50_ms,
            "p99_ms": came[0].p99_ms,
            "cpu_ms": round((now - used) / count * 1000, 3),
            "database_cpu_ms": round(spent / count * 1000, 3),
            "memory_mb": round(resident_mb(pid, peak=True)),
            "disk_bytes": round(sum(grown.values())),
            "tables": {name: round(size) for name, size in sorted(grown.items(), key=lambda one: -one[1])},
            "in_bytes": round((second[0] - first[0]) / max(end - begin, 1)),
            "out_bytes": round((second[1] - first[1]) / max(end - begin, 1)),
        }


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench/sizing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=20, help="of load per engine, at most 60 (default: %(default)s)")
    parser.add_argument("--prompt", type=int, default=1000, help="bytes of a prompt (default: %(default)s)")
    parser.add_argument("--postgres", help="address of a server, without a schema (default: SQLite alone)")
    parser.add_argument("--folder", type=Path, help="where the file goes, on the disk in question (default: temporary)")
    parser.add_argument("--note", default="", help="a sentence on the machine, for the README")
    parser.add_argument("--write", action="store_true", help="keep the figures beside the script, for the README")
    for name, usual in _sizing.PRICES.items():
        parser.add_argument(f"--usd-{name.replace('_', '-')}", type=float, default=usual, help="(default: %(default)s)")
    return parser.parse_args()


def main() -> int:
    """Run it; the exit code."""
    given = arguments()
    interrupted_by_sigterm()
    seconds = min(max(given.seconds, 4), 60)
    engines: dict[str, Any] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="ensemble-sizing-", dir=given.folder) as name:
            folder = Path(name)
            with upstream(folder, cores()[1]) as mock:
                engines["SQLite"] = measured(folder, mock, Log(folder / "sizing.db"), given.prompt, seconds)
                if given.postgres:
                    log = Log(url=given.postgres, schema=f"sizing_{secrets.token_hex(4)}")
                    try:
                        engines["PostgreSQL"] = measured(folder, mock, log, given.prompt, seconds)
                    finally:
                        log.ask(f"DROP SCHEMA IF EXISTS {log.schema} CASCADE")
    except BenchFailed as error:
        sys.stderr.write(f"scripts/bench/sizing: {error}\n")
        return 2
    machine = f"{os.cpu_count()} cores, of which the replica had one; prompts of {given.prompt:,} bytes"
    found = {
        "day": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine, "note": given.note, "engines": engines,
    }  # fmt: skip
    print(_sizing.tables(found, {name: getattr(given, f"usd_{name}") for name in _sizing.PRICES}))
    print(json.dumps(found, indent=1))
    if given.write:
        _sizing.MEASURED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
