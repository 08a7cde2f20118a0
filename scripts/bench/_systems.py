"""What is measured: the floor, the floor with a log, and the service by each transport, as processes on one core."""

import json
import os
import re
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ensemble.store.audit.facts import missing
from ensemble.store.keeping.search import behind
from ensemble.store.opening import open_reader
from scripts.bench._processes import BenchFailed, line_of, running
from scripts.bench._upstream import FANS, Upstream

FLOOR, LOGGED = "floor", "floor + log"
TRANSPORTS = ("direct", "sdk")
START_S, SLOW_START_S = 60.0, 300.0
_START = "from ensemble.cli import main; main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One of them, running: where it answers, and the file of its log where it keeps one that can be checked."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path | None = None

    @property
    def pid(self) -> int:
        """Of the process whose tree is measured."""
        return self.process.pid

    def worked_on(self) -> int:
        """Requests that have been worked on to their end, whether the client waited for it or not."""
        if self.log is None:
            with urllib.request.urlopen(f"{self.url}/count", timeout=10) as reply:  # noqa: S310 - our own server
                return int(reply.read())
        with closing(sqlite3.connect(self.log)) as db:
            count: int = db.execute("SELECT count(*) FROM requests").fetchone()[0]
            return count

    def behind(self) -> int:
        """How much it has yet to make of requests that it worked on; who keeps no log has nothing to make."""
        if self.log is None:
            return 0
        with closing(open_reader(self.log)) as db:
            return missing(db) + behind(db)


@contextmanager
def floor(
    folder: Path, mock: Upstream, delay_ms: int, on: set[int], *, logged: bool, under: Sequence[str] = ()
) -> Iterator[System]:
    """The floor in front of ``mock``; ``under`` is a program that runs it, as a debugger does."""
    command = [*under, sys.executable, "-m", "scripts.bench._floor", f"{mock.url}/{delay_ms}"]
    if logged:
        command.append(str(folder / f"floor-{delay_ms}.db"))
    log = folder / "floor.log"
    with running(command, on, log, _environment()) as process:
        yield System(name=LOGGED if logged else FLOOR, url=_address(process, log, under), process=process)


@contextmanager
def service(
    folder: Path,
    mock: Upstream,
    place: str,
    on: set[int],
    transport: str,
    *,
    program: Sequence[str] = (),
    under: Sequence[str] = (),
) -> Iterator[System]:
    """``ensemble serve`` in front of ``mock``, whose ``place`` is a delay in ms or what stands before it in the path.

    ``program`` starts it in another way; ``under`` is a program that runs it, as a debugger does.
    """
    name = f"{transport}-{place.replace('/', '-')}"
    config, database, log = folder / f"{name}.toml", folder / f"{name}.db", folder / f"{name}.log"
    config.write_text(configuration(f"{mock.url}/{place}", database, transport), encoding="utf-8")
    command = [
        *under,
        *(program or (sys.executable, "-P", "-c", _START, "serve", "--quiet")),
        "--config",
        str(config),
    ]
    with running(command, on, log, _environment()) as process:
        url = _address(process, log, under)
        yield System(name=f"service, {transport}", url=url, process=process, log=database)


def _address(process: subprocess.Popen[bytes], log: Path, under: Sequence[str]) -> str:
    said = line_of(process, log, SLOW_START_S if under else START_S)
    url = re.search(r"http://\S+/v1", said)
    if url is None:
        raise BenchFailed(f"{process.args!r} did not say where it is: {said!r}")
    return url[0]


def configuration(url: str, database: Path, transport: str) -> str:
    """Panels of 2, 3, 4, 8 and 16 with a judge that asks once, and two that stream, as a TOML file."""
    lines = []
    for place in ("say", "stream", *map(str, FANS)):
        lines += [
            f"[providers.{json.dumps(place)}]",
            'use = "openai"',
            f"transport = {json.dumps(transport)}",
            f"base_url = {json.dumps(f'{url}/{place}/v1')}",
            "max_in_flight = 4096",
            "connect_timeout_s = 300",  # under callgrind even a connection takes its time
        ]
    for prefix, place, count in (("m", "say", max(FANS)), ("s", "stream", 3)):
        for at in range(count):
            lines += [f"[members.{prefix}{at}]", f'provider = "{place}"', 'model = "mock"', _MEMBER]
    for fan in FANS:
        lines += [f"[members.judge{fan}]", f'provider = "{fan}"', 'model = "mock"', _MEMBER]
        lines += [
            f"[judges.house{fan}]",
            'use = "listwise"',
            f'model = "judge{fan}"',
            f"per_page = {fan}",
            "timeout_s = 600",
        ]
        lines += _panel(f"panel{fan}", "m", fan)
    lines += [*_panel("leader", "s", 3), 'streaming = "leader"']
    lines += ["[store]", f"path = {json.dumps(str(database))}"]
    lines += ["[server]", "port = 0", "max_requests = 4096", "drain_s = 5"]
    return "\n".join(lines) + "\n"


_MEMBER = "price = { input = 1, output = 4 }\ntimeout_s = 600"


def _panel(name: str, prefix: str, fan: int) -> list[str]:
    members = json.dumps([f"{prefix}{at}" for at in range(fan)])
    judge = f'judge = "house{fan}"'
    return [f"[routers.{name}]", 'use = "parallel"', f"members = {members}", judge, "deadline_s = 60"]


def kept(log: Path) -> tuple[int, int]:
    """Answers in the log of a service, and those of them with a verdict, at once or behind a leader.

    A tie is one: where means are weighed in, two of many candidates may come out alike.
    """
    with closing(sqlite3.connect(log)) as db:
        answered = db.execute("SELECT count(*) FROM requests WHERE status = 'answered'").fetchone()[0]
        decided = db.execute(
            "SELECT count(*) FROM requests WHERE status = 'answered' AND id IN "
            "(SELECT request_id FROM verdicts WHERE outcome IN ('decided', 'tie') AND parent IS NULL)"
        ).fetchone()[0]
    return answered, decided


def _environment() -> dict[str, str]:
    # What an operator's environment says of the service must not reach this one.
    return {name: value for name, value in os.environ.items() if not name.startswith("ENSEMBLE_")}
