"""`ensemble demo --full`: from labels to a served router on the simulated fleet, with live cost and quality."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import aiohttp
import orjson
from aiohttp import web
from rich.console import Console
from rich.live import Live
from rich.table import Table

from ensemble.cli._output import columns, put, screen
from ensemble.money import NANO, usd
from ensemble.server.app import make_app
from ensemble.service import open_service
from ensemble.showcase.drive import Options, Outcome, drive, simulator_of
from ensemble.showcase.score import winner
from ensemble.showcase.tables import LARGE
from ensemble.showcase.told import HEAD, rows, sentences
from ensemble.showcase.traffic import Served, tasks
from ensemble.simulator.tasks import Task, check

PER_SECOND = 8
"""How often the live table is drawn."""
PLAIN_EVERY = 50
"""Requests between two lines where there is no terminal."""


@dataclass(slots=True)
class Sum:
    """What one router has come to so far."""

    served: int = 0
    right: int = 0
    nano_usd: int = 0

    def add(self, right: bool, nano_usd: int) -> None:
        """Count one answer."""
        self.served += 1
        self.right += right
        self.nano_usd += nano_usd


@dataclass(slots=True)
class Board:
    """Quality and cost of each router while requests come in; redrawn on a terminal, lines of text elsewhere."""

    console: Console
    sums: dict[str, Sum] = field(default_factory=dict)
    live: Live | None = None

    def add(self, router: str, right: bool, nano_usd: int | None) -> None:
        """Count one answer; a cost that is unknown counts as none here, and fails the comparison."""
        sum_ = self.sums.setdefault(router, Sum())
        sum_.add(right, nano_usd or 0)
        if self.live is None and sum_.served % PLAIN_EVERY == 0:
            put(self.console, "  ".join(self._row(router)))

    def add_served(self, one: Served) -> None:
        """Count what the comparison served."""
        self.add(one.router, one.right, one.nano_usd)

    def _row(self, router: str) -> tuple[str, ...]:
        sum_, large = self.sums[router], self.sums.get(LARGE)
        mean = sum_.nano_usd / sum_.served
        against = f"{mean * large.served / large.nano_usd:.1%} of large" if large and large.nano_usd else ""
        right = f"{sum_.right / sum_.served:.1%} right"
        return f"simulated: {router}", f"{sum_.served} served", right, f"${usd(round(mean))} each", against

    def __rich__(self) -> Table:
        table = Table(title="simulated, so far", title_justify="left")
        for name in ("router", "served", "right", "cost of one", "cost / large"):
            table.add_column(name, justify="left" if name == "router" else "right")
        for router in self.sums:
            table.add_row(*(cell.removeprefix("simulated: ") for cell in self._row(router)))
        return table


@contextmanager
def board(console: Console) -> Iterator[Board]:
    """A board that is drawn while the context is open, where ``console`` is a terminal."""
    found = Board(console)
    if not console.is_terminal:
        yield found
        return
    with Live(found, console=console, refresh_per_second=PER_SECOND) as found.live:
        yield found


async def show(folder: Path, options: Options, requests: int, port: int) -> None:
    """Compare the routers, then serve the winner and send it ``requests`` new requests over HTTP.

    Raises:
        OSError: a port or a file cannot be had.
        EnsembleError: a request has no answer.
    """
    console = screen()
    folder = folder / "full"
    folder.mkdir(parents=True, exist_ok=True)
    put(console, ("Everything here is simulated", "bold yellow"), ": models, judge, answers, truth and prices.")
    async with simulator_of(options, port) as simulator:
        with board(console) as drawn:
            outcome = await drive(options, folder, simulator, told=_teller(console), on_served=drawn.add_served)
        _compared(console, outcome, options)
        best = winner(outcome.lines).router
        async with _served(outcome.config) as url:
            put(console)
            put(console, ("Served", "bold"), f": {best} at {url}, to any OpenAI client; Ctrl-C ends it.")
            fresh = tasks(options.learn + options.score + requests, options.seed)[options.learn + options.score :]
            with board(console) as drawn:
                await _traffic(url, (best, LARGE), fresh, drawn)
        _ended(console, outcome, best, drawn)


def _teller(console: Console) -> Callable[[str], None]:
    return lambda text: put(console, (text, "dim"))


def _compared(console: Console, outcome: Outcome, options: Options) -> None:
    put(console)
    best = winner(outcome.lines).router
    if console.is_terminal:
        table = Table(*HEAD)
        for line, row in zip(outcome.lines, rows(outcome.lines), strict=True):
            table.add_row(*row, style="green" if line.router == best else "")
        console.print(table)
    else:
        columns(console, [HEAD, *rows(outcome.lines)], {}, indent=0)
    put(console)
    for sentence in sentences(outcome, options):
        put(console, sentence)


def _ended(console: Console, outcome: Outcome, best: str, drawn: Board) -> None:
    mine, large = drawn.sums.get(best, Sum()), drawn.sums.get(LARGE, Sum())
    put(console)
    if large.nano_usd and mine.served:
        saved = 1 - mine.nano_usd / large.nano_usd
        put(
            console,
            f"simulated: {best} answered {mine.right} of {mine.served} new requests rightly, large {large.right}, and "
            f"saved {saved:.1%} of ${usd(large.nano_usd)}.",
        )
    put(console, f"{outcome.config} is the configuration, with labels, log and trained routers beside it.")


@asynccontextmanager
async def _served(config: Path) -> AsyncIterator[str]:
    """The configuration behind its API on a free port, in this process; gives the URL that ends with /v1."""
    async with open_service(config) as service:
        runner = web.AppRunner(make_app(service), handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        finally:
            await runner.cleanup()


async def _traffic(url: str, routers: Sequence[str], fresh: Sequence[Task], drawn: Board) -> None:
    """Ask each router each task over HTTP, as a client would, one task after the other."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        for task in fresh:
            async with asyncio.TaskGroup() as group:
                for router in dict.fromkeys(routers):
                    group.create_task(_ask(http, url, router, task, drawn))


async def _ask(http: aiohttp.ClientSession, url: str, router: str, task: Task, drawn: Board) -> None:
    body = orjson.dumps({"model": router, "messages": task.messages})
    async with http.post(f"{url}/chat/completions", data=body, headers=_JSON) as reply:
        reply.raise_for_status()
        said = orjson.loads(await reply.read())
        cost = reply.headers["x-ensemble-cost-usd"]
    text = said["choices"][0]["message"]["content"] or ""
    drawn.add(router, check(task, text), None if cost == "unknown" else round(float(cost) * NANO))


_JSON = MappingProxyType({"Content-Type": "application/json"})
