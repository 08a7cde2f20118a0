"""The wall clock jumps under a running service, by libfaketime: answers go on, and their records stay whole."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from scripts import _runs
from scripts._crash import MEMBERS, inspect, made_questions

LIBRARY = tuple(Path(f"/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1") for machine in ("x86_64", "aarch64"))
JUMPS = ("+1h", "-1h", "+400d", "-2d", "+0")
"""Where the clock is put, one after another, from the true time."""
EACH = 6
SLOW_S = 5.0
"""Most seconds of an answer: no deadline and no limit may follow the wall clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jumped:
    """What the jumps did: answers, and what was wrong; ``skipped`` says why there were none."""

    answered: int = 0
    breaches: Sequence[str] = ()
    skipped: str = ""


async def clock_jumps(folder: Path) -> Jumped:
    """Put the clock of a server forward and back while it answers."""
    library = next((path for path in LIBRARY if path.exists()), None)
    if library is None:
        return Jumped(skipped="there is no libfaketime here; on Debian: apt-get install faketime")
    from ensemble.simulator import Simulator, SimulatorSettings

    await asyncio.to_thread(folder.mkdir)
    questions, database, clock = made_questions(), folder / "clock.db", folder / "clock"
    recording, config = folder / "made.jsonl.gz", folder / "clock.toml"
    _runs.write_recording(recording, questions)
    settings = SimulatorSettings(recording=recording, latency=0.05, keep_served=1)
    breaches, replies = list[str](), list[_runs.Reply]()
    async with Simulator(settings) as simulator:
        prices = dict.fromkeys((*MEMBERS, _runs.EVALUATOR), _runs.Price(input=Decimal(1), output=Decimal(1)))
        config.write_text(_runs.configuration(simulator.base_url, prices, MEMBERS, database), encoding="utf-8")
        clock.write_text("+0", encoding="ascii")
        async with _faked(library, clock), _runs.serving(config) as server, server.client() as client:
            for jump in JUMPS:
                clock.write_text(jump, encoding="ascii")
                for at in range(EACH):
                    number = len(replies)
                    try:
                        reply = await _runs.ask(client, questions[number].prompt, stream=at % 2 == 1, at=number)
                    except _runs.client_errors() as error:
                        breaches.append(f"at {jump}: {type(error).__name__}: {error}")
                        continue
                    replies.append(reply)
                    if reply.seconds > SLOW_S:
                        breaches.append(f"at {jump} an answer took {reply.seconds:.1f} s")
    breaches += (await asyncio.to_thread(inspect, database, replies)).wrong
    days = await asyncio.to_thread(_days, database)
    if len(days) < 3:
        breaches.append(f"the clock did not jump: every request is of {', '.join(days)}")
    return Jumped(answered=len(replies), breaches=breaches)


@asynccontextmanager
async def _faked(library: Path, clock: Path) -> AsyncIterator[None]:
    """Programs that are started meanwhile read their wall clock from the file ``clock``; monotonic time stays true."""
    told = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    os.environ.update(told)
    try:
        yield
    finally:
        for name in told:
            del os.environ[name]


def _days(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as db:
        return [row[0] for row in db.execute("SELECT DISTINCT substr(arrived_at, 1, 10) FROM requests")]
