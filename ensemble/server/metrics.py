"""The route that Prometheus scrapes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from ensemble.errors import StoreError
from ensemble.server.answering import SERVICE
from ensemble.server.state import Published, State
from ensemble.store.api_keys import Key, keys
from ensemble.store.budgets import Standing, standings
from ensemble.store.database import Database
from ensemble.store.reviews import waiting

log = logging.getLogger(__name__)

STATE = web.AppKey("state", State)

PUBLISHED = web.AppKey("published", Published)
"""Of one worker of several alone."""
PUBLISH_S = 1.0
"""Seconds after which a gauge is known to the other workers."""

routes = web.RouteTableDef()


@asynccontextmanager
async def publishing(app: web.Application) -> AsyncIterator[None]:
    """Let the other workers know how this one stands while the context is open."""
    task = asyncio.get_running_loop().create_task(_publishing(app[STATE], app[PUBLISHED]))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        app[STATE].look()  # what was counted since the last time


async def _publishing(state: State, published: Published) -> None:
    while True:
        try:
            state.look()
            await asyncio.to_thread(published.publish)
        except Exception:
            log.exception("how this worker stands cannot be told to the others")  # a full disk, say; it is tried again
        await asyncio.sleep(PUBLISH_S)


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """Counters and gauges for Prometheus, in its text format or as OpenMetrics; no label holds what a user wrote."""
    service = request.app[SERVICE]
    with suppress(StoreError):  # whoever is called for a log that cannot be read needs all the other figures
        request.app[STATE].budgets, request.app[STATE].reviews = await service.store.read(_noted)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    request.app[STATE].look()
    registry = service.instruments.registry
    if PUBLISHED in request.app:
        await asyncio.to_thread(request.app[PUBLISHED].publish)
        registry = CollectorRegistry()
        # It reads what all workers wrote down, and what those did that have ended.
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no annotations
    body = await asyncio.to_thread(encode, registry)
    return web.Response(body=body, headers={"Content-Type": content_type})


def _noted(db: Database) -> tuple[list[tuple[Key, list[Standing]]], Mapping[bool, int]]:
    now = datetime.now(UTC)
    limited = [key for key in keys(db) if key.limits and key.ended(now) is None]
    return [(key, standings(db, key.id, key.limits, now)) for key in limited], waiting(db)
