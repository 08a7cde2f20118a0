"""kill -9 under load, again and again: every request whose answer has come in must be whole in the database.

Each round starts ``ensemble serve`` on the same file before a simulated panel of three models and a judge, keeps so
many requests in flight, half of them streamed, kills the server at a random moment, and looks into the file. After the
last round the server starts once more and must answer.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts import _runs
from scripts._crash import MEMBERS, Found, inspect, made_questions
from scripts._runs import EVALUATOR, Price, Question, Reply, RunFailed, Server

if TYPE_CHECKING:
    from openai import AsyncOpenAI

LOAD_S = 60.0
"""Most seconds until the server has answered enough to be killed."""
STAGGER_S = 1.5
"""The first requests are spread over so many seconds, so that they do not go through the server in step."""
LATENCY = 0.2
"""Factor on the simulated latencies, so that requests are in every state when the server dies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How hard to crash it; ``database`` must not exist yet."""

    database: Path
    in_flight: int = 200
    rounds: int = 5
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One crash: replies received whole and requests under way when the server died, and what the file then held."""

    answered: int
    streamed: int
    in_flight: int
    alive_s: float
    found: Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Every round, and what was wrong once the server had started again: empty for nothing."""

    rounds: Sequence[Round]
    replies: Sequence[Reply]
    afterwards: Sequence[str]

    @property
    def wrong(self) -> list[str]:
        """Every breach."""
        return [breach for one in self.rounds for breach in one.found.wrong] + list(self.afterwards)


class _Load:
    """So many workers, each with one request under way, until the server is gone."""

    def __init__(self, client: "AsyncOpenAI", questions: Sequence[Question], first: int) -> None:
        self._client, self._questions, self._next = client, questions, first
        self._changed = asyncio.Event()
        self.replies: list[Reply] = []
        self.errors: list[str] = []
        self.in_flight = 0
        self.down = False

    async def work(self, after_s: float) -> None:
        """Ask until the server is gone, or a request fails before that."""
        lost = _runs.client_errors()
        await asyncio.sleep(after_s)
        while not self.down:
            at = self._next
            self._next += 1
            self.in_flight += 1
            self._changed.set()
            question = self._questions[at % len(self._questions)]
            try:
                self.replies.append(await _runs.ask(self._client, question.prompt, stream=at % 2 == 1, at=at))
            except lost as error:
                if not self.down:  # else it was under way when the server died
                    self.errors.append(f"{type(error).__name__}: {error}")
                    self._changed.set()
                return
            self.in_flight -= 1

    async def grown(self, answers: int, in_flight: int) -> None:
        """Wait until so many replies have come and requests are under way, or nothing more is to be hoped for."""
        try:
            async with asyncio.timeout(LOAD_S):
                while (len(self.replies) < answers or self.in_flight < in_flight) and not self.errors:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            self.errors.append(f"only {len(self.replies)} of {answers} answers came within {LOAD_S:g} s")


async def crash(options: Options) -> Outcome:
    """Crash the server ``options.rounds`` times, then start it once more.

    Raises:
        RunFailed: fleet or server could not be started, a request failed without a crash, or the database is there.
    """
    from ensemble.simulator import Simulator, SimulatorSettings

    if options.database.exists():
        raise RunFailed(f"{options.database} exists; its rows are to be counted, so name a new file")
    draw = random.Random(options.seed)  # noqa: S311 - when to crash is no secret
    questions = made_questions()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crash-run-")))
        recording, config = folder / "made.jsonl.gz", folder / "ensemble.toml"
        _runs.write_recording(recording, questions)
        settings = SimulatorSettings(recording=recording, latency=LATENCY, keep_served=1, keep_bodies=False)
        simulator = await stack.enter_async_context(Simulator(settings))
        prices = dict.fromkeys((*MEMBERS, EVALUATOR), Price(input=Decimal(1), output=Decimal("2.5")))
        text = _runs.configuration(simulator.base_url, prices, MEMBERS, options.database)
        config.write_text(text, encoding="utf-8")
        rounds, replies = list[Round](), list[Reply]()
        for _ in range(options.rounds):
            rounds.append(await _round(options, draw, config, questions, replies))
        afterwards = await _again(config, questions, replies, options.database)
    return Outcome(rounds=rounds, replies=replies, afterwards=afterwards)


async def _round(
    options: Options, draw: random.Random, config: Path, questions: Sequence[Question], replies: list[Reply]
) -> Round:
    """Load, kill, look. ``replies`` holds those of every round, and gets this one's.

    Raises:
        RunFailed: a request failed while the server was alive.
    """
    # Either at the very moment of an answer, when others are being committed and sent, or at any other.
    many, moment_s = draw.randint(1, 2 * options.in_flight), draw.choice((0.0, draw.uniform(0, 0.5)))
    async with _runs.serving(config) as server, server.client() as client:
        begin = time.monotonic()
        load = _Load(client, questions, first=len(replies))
        async with asyncio.TaskGroup() as group:
            for _ in range(options.in_flight):
                group.create_task(load.work(draw.uniform(0, STAGGER_S)))
            await load.grown(many, options.in_flight)
            await asyncio.sleep(moment_s)
            load.down, in_flight = True, load.in_flight
            await server.kill()
        alive_s = time.monotonic() - begin
    if load.errors:
        raise RunFailed(f"{len(load.errors)} requests failed before the crash, the first: {load.errors[0]}")
    replies += load.replies
    found = await asyncio.to_thread(inspect, options.database, replies)
    streamed = sum(reply.streamed for reply in load.replies)
    return Round(answered=len(load.replies), streamed=streamed, in_flight=in_flight, alive_s=alive_s, found=found)


async def _again(config: Path, questions: Sequence[Question], replies: list[Reply], database: Path) -> list[str]:
    """Start on the same file, read back an answer from before the crash, ask anew, stop as usual, look again."""
    async with _runs.serving(config) as server, server.client() as client:
        wrong = [f"after the restart {id_} cannot be read" for id_ in await _unread(server, replies[:1] + replies[-1:])]
        for at in range(4):
            replies.append(await _runs.ask(client, questions[at].prompt, stream=at % 2 == 1, at=at))
    return wrong + list((await asyncio.to_thread(inspect, database, replies)).wrong)


async def _unread(server: Server, replies: Sequence[Reply]) -> list[str]:
    import aiohttp

    missing = []
    async with aiohttp.ClientSession() as http:
        for reply in replies:
            async with http.get(f"{server.url}/ensemble/requests/{reply.id}") as answer:
                if answer.status != 200 or (await answer.json()).get("status") != "answered":
                    missing.append(reply.id)
    return missing


def written(outcome: Outcome, options: Options) -> str:
    """The rounds for people to read, as Markdown."""
    rows = [
        [
            str(number),
            f"{one.alive_s:.2f} s",
            str(one.in_flight),
            f"{one.answered}",
            f"{one.streamed}",
            f"{one.found.requests}",
            f"{one.found.undelivered}",
            f"{len(one.found.wrong)}",
        ]
        for number, one in enumerate(outcome.rounds, 1)
    ]
    head = [
        "round",
        "under load",
        "in flight at kill -9",
        "answered",
        "streamed",
        "rows in file",
        "not delivered",
        "breaches",
    ]
    about = (
        f"kill -9 under {options.in_flight} requests in flight, simulated providers, seed {options.seed}.\n"
        "Rows in file and not delivered (committed, but the server died before the client had it all) are over all\n"
        "rounds so far. Breaches: an answered request that is lost or not whole, a request that is there by half,\n"
        "integrity_check, foreign_key_check, daily sums. What a disk may lose in a power cut is not tested."
    )
    breaches = "\n".join(f"BREACH: {breach}" for breach in outcome.wrong[:20])
    return "\n\n".join(filter(None, [about, _runs.table(head, rows), breaches]))


def summary(outcome: Outcome) -> str:
    """The last line."""
    crashes = (
        f"{len(outcome.rounds)} times kill -9 with {sum(one.in_flight for one in outcome.rounds)} requests under way"
    )
    if outcome.wrong:
        return f"scripts/crash_run: BROKEN: {len(outcome.wrong)} breaches after {crashes}"
    return f"scripts/crash_run: {crashes}: all {len(outcome.replies)} answered requests are whole, and it serves again"


@click.command(epilog="Example: scripts/crash_run --in-flight 200 --rounds 5")
@click.option("--in-flight", type=click.IntRange(1, 2000), default=200, show_default=True, help="Requests at once.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="How often to crash it.")
@click.option("--seed", type=int, help="Of the moments; a random one if not given.")
@click.option("--db", type=click.Path(path_type=Path), help="Where to keep the log; thrown away if not given.")
def command(in_flight: int, rounds: int, seed: int | None, db: Path | None) -> None:
    """Kill the server under load and look for lost or half-written answers; exits with 1 where there are any."""
    seed = random.randrange(10**6) if seed is None else seed  # noqa: S311 - when to crash is no secret
    with tempfile.TemporaryDirectory(prefix="crash-run-db-") as folder:
        options = Options(database=db or Path(folder) / "crash.db", in_flight=in_flight, rounds=rounds, seed=seed)
        try:
            outcome = asyncio.run(crash(options))
        except RunFailed as error:
            raise click.ClickException(str(error)) from error
    print(written(outcome, options))
    print(summary(outcome), file=sys.stderr)
    sys.exit(1 if outcome.wrong else 0)


if __name__ == "__main__":
    command(prog_name="scripts/crash_run")
