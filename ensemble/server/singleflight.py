"""Identical requests of one caller that are under way at the same moment are answered once, judge included.

The name is that of Go's ``golang.org/x/sync/singleflight``. Within one process, and over all replicas where they share
a Redis and one log; over time there are idempotency keys, which a client sends itself.
"""

import asyncio
import hashlib
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler

from ensemble.errors import StoreError
from ensemble.server.answering import CACHE, DEADLINE, SERVICE
from ensemble.server.auth import CALLER
from ensemble.server.idempotency import ANSWERING
from ensemble.server.shape import IDEMPOTENCY_KEY, REPEATS, REQUEST_ID
from ensemble.shared.flights import Landed, Lead, join
from ensemble.store import Store
from ensemble.store.recalled import recallable
from ensemble.types import RequestId

Flight = tuple[str, str, str]
"""Whose, to which path, SHA-256 of which body and deadline."""
FLIGHTS = web.AppKey("flights", dict[Flight, asyncio.Future[RequestId | None]])
"""Requests under way; each tells those who wait for it which request was answered, or None where none was."""


@web.middleware
async def single(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Where ``[server] singleflight`` is on, let the first of identical requests work and the others have its answer.

    One that asks for a fresh answer, or has an idempotency key, goes its own way.
    """
    service = request.app[SERVICE]
    if not service.settings.server.singleflight or request.method != "POST" or request.path not in ANSWERING:
        return await handler(request)
    if IDEMPOTENCY_KEY in request.headers or request.headers.get(CACHE, "use") != "use":
        return await handler(request)
    caller, flights = request[CALLER], request.app[FLIGHTS]
    # Who has less time than the first of them must not wait for it.
    asked = await request.read() + b"\0" + request.headers.get(DEADLINE, "").encode()
    flight = (caller.key.id if caller.key else "", request.path, hashlib.sha256(asked).hexdigest())
    if (ahead := flights.get(flight)) is not None:
        if (answered := await asyncio.shield(ahead)) is not None:
            request[REPEATS] = answered
        # Without an answer each goes on by itself: in single file the last would wait for the failures of all before.
        return await handler(request)
    flights[flight] = news = asyncio.get_running_loop().create_future()
    answered, joined = None, None
    try:
        if service.shared is not None:
            joined = await join(service.shared, hashlib.sha256("\n".join(flight).encode()).hexdigest())
        if isinstance(joined, Landed) and joined.result is not None:
            # In a log of its own it would not be found: then this replica answers by itself.
            answered = await _answered(service.store, RequestId(joined.result))
        if answered is not None:
            request[REPEATS] = answered
            return await handler(request)
        response = await handler(request)
        answered = await _answered(service.store, RequestId(request[REQUEST_ID]))
        return response
    finally:
        del flights[flight]
        news.set_result(answered)
        if isinstance(joined, Lead):
            await joined.land(answered)


async def _answered(store: Store, id_: RequestId) -> RequestId | None:
    """``id_``, if its answer can be told again; a stream tells of its failure as an event, so the log is asked."""
    try:
        return id_ if await store.read(partial(recallable, id_=id_)) else None
    except StoreError:
        return None
