"""The same idempotency key gives the same answer, once paid, over retries, parallel requests, processes and crashes.

Source: IETF draft "The Idempotency-Key HTTP Header Field".
"""

import asyncio
import hashlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler

from ensemble.errors import Conflict, InvalidRequest, StoreError, StoreUnavailable
from ensemble.server.answering import SERVICE
from ensemble.server.auth import CALLER
from ensemble.server.shape import IDEMPOTENCY_KEY, REPEATS, UNTIL
from ensemble.store import Store
from ensemble.store.idempotency import Claim, Found, claim, release, renew

KEPT_FOR = timedelta(hours=24)
"""How long a key stands for its answer."""
LEASE_S = 15.0
"""How long whoever claimed a key is taken to be at work, unless it says so again: after that its process has died."""
ABANDONED_S = 90.0
"""How long that is at least once the client has gone, while its request may go on behind its back."""
SETTLED_S = 30.0
"""How long after its deadline such a request is given to be written down."""
ANSWERING = frozenset({"/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/ensemble/compare"})
"""Paths under which an answer is recorded that can be told again. Feedback keeps its keys itself."""
AGAIN_S = 0.1
"""Seconds between two looks at a key on which another process works."""
WORKING = web.AppKey("working", dict[tuple[str, str], asyncio.Event])
"""Owner and key of what this process works on; each is set once that has ended."""


@web.middleware
async def idempotent(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the answer that stands under the key, if there is one; else let the first of those who ask work on it."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is None or request.method != "POST" or request.path not in ANSWERING:
        return await handler(request)
    if not 0 < len(key) <= 255 or not key.isprintable():
        raise InvalidRequest(f"{IDEMPOTENCY_KEY}: between 1 and 255 printable characters", param=IDEMPOTENCY_KEY)
    store, caller = request.app[SERVICE].store, request[CALLER]
    hashed = hashlib.sha256(request.path.encode() + b"\0" + await request.read()).hexdigest()
    wanted = Claim(owner=caller.key.id if caller.key else "", key=key, body_hash=hashed)
    working, place = request.app[WORKING], (wanted.owner, wanted.key)
    while (found := await _claimed(store, wanted)).state == "busy":
        await _ended(working.get(place))
    if found.state == "conflict":
        told = "it stands for another body; send a new key with a new request"
        raise Conflict(f"{IDEMPOTENCY_KEY}: {told}", param=IDEMPOTENCY_KEY)
    if found.request is not None:
        request[REPEATS] = found.request
        return await handler(request)
    working[place] = ended = asyncio.Event()
    try:
        return await _worked_on(request, handler, store, wanted, found.at)
    finally:
        ended.set()
        if working.get(place) is ended:  # somebody else may have taken over what took too long
            del working[place]


async def _ended(here: asyncio.Event | None) -> None:
    """Return when it is worth looking again: at once where ``here`` tells, else after a while."""
    if here is None:
        await asyncio.sleep(AGAIN_S)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(LEASE_S):
            await here.wait()


async def _worked_on(
    request: web.Request, handler: Handler, store: Store, claimed: Claim, at: str
) -> web.StreamResponse:
    """The reply of ``handler``; meanwhile the lease is renewed, and a key under which nothing was answered is freed."""
    failed: Exception | None = None
    response: web.StreamResponse | None = None
    try:
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(_renewing(store, claimed, at))
            try:
                response = await handler(request)
            except Exception as error:  # noqa: BLE001 - raised again below, and not as a group
                failed = error
            finally:
                renewing.cancel()
    except asyncio.CancelledError:
        left_s = request.get(UNTIL, 0.0) - asyncio.get_running_loop().time()
        await _renewed(store, claimed, at, max(ABANDONED_S, left_s + SETTLED_S))
        raise
    if not isinstance(response, web.Response):  # a stream tells its errors as events
        with suppress(StoreError):  # it is free once its lease is over
            await store.change(partial(release, claimed=claimed, at=at))
    if response is None:
        raise failed or RuntimeError("a handler ended without a reply")
    return response


async def _renewing(store: Store, claimed: Claim, at: str) -> None:
    while True:
        await asyncio.sleep(LEASE_S / 3)
        await _renewed(store, claimed, at, LEASE_S)


async def _renewed(store: Store, claimed: Claim, at: str, seconds: float) -> None:
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    with suppress(StoreError):  # the lease ends early: at worst somebody asks once more
        await store.change(partial(renew, claimed=claimed, lease_until=until, at=at))


async def _claimed(store: Store, wanted: Claim) -> Found:
    now = datetime.now(UTC)
    until = now + timedelta(seconds=LEASE_S)
    step = partial(claim, wanted=wanted, now=now, lease_until=until, since=now - KEPT_FOR)
    try:
        return await store.change(step)
    except StoreError as error:
        raise StoreUnavailable(f"nobody can know what stands under this key: {error}") from error
