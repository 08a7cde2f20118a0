"""The route that Prometheus scrapes."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from ensemble.errors import StoreError
from ensemble.server.answering import SERVICE
from ensemble.server.state import State
from ensemble.store.api_keys import Key, keys
from ensemble.store.budgets import Standing, standings
from ensemble.store.database import Database
from ensemble.store.reviews import waiting

STATE = web.AppKey("state", State)

routes = web.RouteTableDef()


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """Counters and gauges for Prometheus, in its text format or as OpenMetrics; no label holds what a user wrote."""
    service = request.app[SERVICE]
    with suppress(StoreError):  # whoever is called for a log that cannot be read needs all the other figures
        request.app[STATE].budgets, request.app[STATE].reviews = await service.store.read(_noted)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    body = await asyncio.to_thread(encode, service.instruments.registry)
    return web.Response(body=body, headers={"Content-Type": content_type})


def _noted(db: Database) -> tuple[list[tuple[Key, list[Standing]]], Mapping[bool, int]]:
    now = datetime.now(UTC)
    limited = [key for key in keys(db) if key.limits and key.ended(now) is None]
    return [(key, standings(db, key.id, key.limits, now)) for key in limited], waiting(db)
