"""A fleet or a pipeline without a service: nothing is delivered, kept up or watched beside what is asked of them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from ensemble.assembly import routers_of
from ensemble.config import Settings, unloadable
from ensemble.connections import close, connect, fleet_of
from ensemble.errors import ConfigError
from ensemble.fanout import Stragglers
from ensemble.fleet import Fleet
from ensemble.pipeline import Pipeline
from ensemble.shared.link import open_shared
from ensemble.store import Store
from judges.judge import Judge


@asynccontextmanager
async def open_bench(settings: Settings, judges: Mapping[str, Judge]) -> AsyncIterator[Fleet]:
    """The fleet that ``judges`` may consult, and they loaded: no log, no routers. Raises ConfigError."""
    needed = replace(settings, judges=judges, routers={})
    await _load(needed)
    links = await connect(needed.providers)
    try:
        yield fleet_of(needed, links)
    finally:
        await close(links.values())


@asynccontextmanager
async def open_pipeline(settings: Settings, store: Store) -> AsyncIterator[Pipeline]:
    """What answers, judges and records over ``store``, which stays open afterwards. Raises ConfigError."""
    await _load(settings)
    async with open_shared(settings.shared) as shared:
        links = await connect(settings.providers, shared=shared)
        try:
            yield Pipeline(
                routers=routers_of(settings),
                fleet=fleet_of(settings, links),
                judges=settings.judges,
                store=store,
                stragglers=Stragglers(),
                config=settings.digest,
            )
        finally:
            await close(links.values())


async def _load(settings: Settings) -> None:
    if problems := await asyncio.to_thread(lambda: list(unloadable(settings))):
        raise ConfigError("\n".join(problem.line for problem in problems))
