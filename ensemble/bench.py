"""A fleet without a service: what judges consult while they are tried out, fitted or asked to embed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from ensemble.config import Settings, unloadable
from ensemble.connections import close, connect, fleet_of
from ensemble.errors import ConfigError
from ensemble.fleet import Fleet
from judges.judge import Judge


@asynccontextmanager
async def open_bench(settings: Settings, judges: Mapping[str, Judge]) -> AsyncIterator[Fleet]:
    """Load ``judges`` and open the fleet that they may consult: no log, no routers. Raises ConfigError."""
    needed = replace(settings, judges=judges, routers={})
    if problems := await asyncio.to_thread(lambda: list(unloadable(needed))):
        raise ConfigError("\n".join(problem.line for problem in problems))
    links = await connect(needed.providers)
    try:
        yield fleet_of(needed, links)
    finally:
        await close(links.values())
