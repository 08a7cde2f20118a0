"""A simulated service with a log that is worth looking at, and its pages in a real browser."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from playwright.async_api import Browser

    from ensemble.service import Service

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PRICES = {"small": (0.15, 0.60), "balanced": (1.10, 4.40), "large": (5, 20), "judge": (2, 8)}
PANEL = ("large", "balanced", "small")
TABLES = """
[judging]
shrink = "off"
[judges.house]
use = "pairwise"
model = "judge"
[judges.points]
use = "pointwise"
model = "judge"
[routers.careful]
use = "parallel"
members = ["large", "balanced", "small"]
judge = "house"
[routers.careful.trust]
min_panel = 3
on_low = "review"
[routers.frugal]
use = "cascade"
judge = "points"
tiers = [{ members = ["small"], accept_score = 0.8 }, { members = ["large"] }]
[routers.frugal.trust]
min_score = 0.3
on_low = "review"
[routers.rules]
use = "rules"
small = "small"
balanced = "balanced"
large = "large"
[routers.rules.shadow]
share = 0.4
panel = ["large", "balanced", "small"]
judge = "house"
max_usd_per_day = "50"
"""
ROUTERS = ("careful", "careful", "careful", "rules", "frugal")
"""Who is asked, in turn."""


@dataclass(frozen=True, slots=True)
class Pictured:
    """A running service with its pages under ``root`` + ``/ui``."""

    service: "Service"
    root: str
    database: Path


def chromium() -> str | None:
    """Where a browser is, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def configuration(url: str, database: Path) -> str:
    """Three tiers and a judge of the simulated fleet, three routers over them."""
    parts = [f'[providers.simulated]\nuse = "openai"\nbase_url = "{url}"']
    parts += [
        f'[members.{name}]\nprovider = "simulated"\nmodel = "{name}"\n'
        f'family = "{"elm" if name == "judge" else "oak"}"\n'
        f"max_output_tokens = 1000\nprice = {{ input = {paid[0]}, output = {paid[1]} }}"
        for name, paid in PRICES.items()
    ]
    return "\n".join([*parts, TABLES, f"[store]\npath = {json.dumps(str(database))}\n"])


@asynccontextmanager
async def pictured(folder: Path, requests: int, seed: int = 0) -> AsyncIterator[Pictured]:
    """Ask a simulated service so many tasks of every kind, then leave it open."""
    from aiohttp.test_utils import TestServer
    from openai import AsyncOpenAI

    from ensemble.server.app import make_app
    from ensemble.service import open_service
    from ensemble.simulator import Simulator, SimulatorSettings

    settings = SimulatorSettings(
        seed=seed, latency=0.02, evaluator_noise=0.12, length_bias=0.1, keep_served=1, keep_bodies=False
    )
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(settings))
        database, config = folder / "simulated.db", folder / "ensemble.toml"
        await asyncio.to_thread(config.write_text, configuration(simulator.base_url, database), encoding="utf-8")
        service = await stack.enter_async_context(open_service(config))
        server = await stack.enter_async_context(TestServer(make_app(service)))
        root = str(server.make_url("/")).rstrip("/")
        async with AsyncOpenAI(base_url=f"{root}/v1", api_key="none", max_retries=0, timeout=60) as client:
            await _ask_all(client, requests, seed)
        await service.idle()
        await look_after(service)
        yield Pictured(service, root, database)


async def _ask_all(client: "AsyncOpenAI", requests: int, seed: int) -> None:
    from ensemble.showcase.traffic import tasks

    waiting = iter(enumerate(tasks(requests, seed)))

    async def work() -> None:
        for at, task in waiting:
            await client.chat.completions.create(
                model=ROUTERS[at % len(ROUTERS)],
                messages=[{"role": "user", "content": task.prompt}],
                metadata={"domain": task.kind.replace("_", " ")},
            )

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(work())


async def look_after(service: "Service") -> None:
    """What a service does to its log in the background, now."""
    from ensemble.upkeep import derive, index

    await index(service.store)
    await derive(service.store)


@asynccontextmanager
async def browsing(executable: str) -> AsyncIterator["Browser"]:
    """A headless browser."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


async def disagreeing(service: "Service") -> Sequence[str]:
    """Ids of the requests on which the members differ most."""
    sql = "SELECT request_id FROM audit_cases ORDER BY disagreement DESC, request_id LIMIT 20"
    return [row[0] for row in await service.store.read(lambda db: db.execute(sql).fetchall())]
