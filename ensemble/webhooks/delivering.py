"""Sends what is in the outbox, signed as Standard Webhooks has it, until it is taken or given up.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from ensemble.errors import StoreError
from ensemble.place import PLACE, Place
from ensemble.plurals import counted
from ensemble.store import Store
from ensemble.store.outbox import FRESH, Event, delivered, due, failed, outlived, take
from ensemble.webhooks.settings import WebhookSettings, is_local, is_public

log = logging.getLogger(__name__)

EVERY_S = 1.0
"""Seconds between two looks into the outbox, which other processes fill as well."""
AT_ONCE = 8
"""Events that are sent at the same time."""
LONGEST_S = 6 * 3600.0
"""Most seconds between two attempts."""
GRACE = timedelta(seconds=5)
"""How long after its timeout an attempt counts as lost."""
GONE = 410
"""The receiver wants no more of it."""


def signature(secret: bytes, id_: str, timestamp: int, body: str) -> str:
    """Version 1: HMAC-SHA256 over id, timestamp (Unix seconds) and body, joined by full stops."""
    mac = hmac.new(secret, f"{id_}.{timestamp}.{body}".encode(), hashlib.sha256)
    return f"v1,{base64.b64encode(mac.digest()).decode()}"


@asynccontextmanager
async def delivering(store: Store, settings: Callable[[], WebhookSettings]) -> AsyncIterator[None]:
    """Send what gets into the outbox of ``store`` while the context is open, by the settings in force.

    Of several workers the one does it that leads.
    """
    task = asyncio.get_running_loop().create_task(_rounds(store, settings, PLACE.get()))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _rounds(store: Store, settings: Callable[[], WebhookSettings], place: Place) -> None:
    while True:
        current = settings()
        try:
            more = current.url is not None and place.leads() and await _round(store, current)
        except (StoreError, OSError, ValueError) as error:
            log.warning("webhooks wait: %s", error)  # of the log or of the secret, whose errors do not hold it
            more = False
        except Exception:
            log.exception("webhooks failed")  # a bug, which must not end them
            more = False
        if not more:
            await asyncio.sleep(EVERY_S)


async def _round(store: Store, settings: WebhookSettings) -> bool:
    """Send what is due; whether there may be more."""
    if not await store.read(partial(due, kinds=settings.events, now=datetime.now(UTC))):
        return False
    _tell(await store.change(partial(outlived, kinds=settings.events, now=datetime.now(UTC))))
    secret = await asyncio.to_thread(settings.secret)
    lease = timedelta(seconds=settings.timeout_s) + GRACE
    step = partial(take, kinds=settings.events, now=datetime.now(UTC), lease=lease, limit=AT_ONCE)
    events = await store.change(step)
    resolver = None if settings.private else Guarded()
    connector = aiohttp.TCPConnector(resolver=resolver, limit=AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http, asyncio.TaskGroup() as group:
        for event in events:
            group.create_task(_send(http, store, settings, secret, event))
    return True


def _tell(given_up: Sequence[tuple[str, str | None]]) -> None:
    for id_, problem in given_up:
        if problem is not None:
            log.error("webhook %s: %s; it is given up after %d days", id_, problem, FRESH.days)
    if untried := [id_ for id_, problem in given_up if problem is None]:
        told = counted(len(untried), "event")
        log.warning("webhooks: %s of more than %d days ago, never sent, given up", told, FRESH.days)


async def _send(
    http: aiohttp.ClientSession, store: Store, settings: WebhookSettings, secret: bytes, event: Event
) -> None:
    problem = await attempted(http, settings.url or "", secret, event)
    now = datetime.now(UTC)
    if problem is None:
        step = partial(delivered, id_=event.id, now=now)
    else:
        wait_s = min(LONGEST_S, settings.retry_s * 2.0 ** (event.attempt - 1))
        over = event.attempt >= settings.attempts or problem == f"status {GONE}"
        again = None if over else now + timedelta(seconds=wait_s)
        step = partial(failed, id_=event.id, problem=problem, again=again)
        # Without the address, which may hold a secret of the receiver.
        told = "is given up" if over else f"is tried again in {wait_s:g} s"
        log.log(logging.ERROR if over else logging.WARNING, "webhook %s: %s; it %s", event.id, problem, told)
    try:
        await store.change(step)
    except StoreError as error:
        log.warning("webhook %s: its delivery could not be noted, so it will be sent again: %s", event.id, error)


async def attempted(http: aiohttp.ClientSession, url: str, secret: bytes, event: Event) -> str | None:
    """Why the event was not taken; None where it was. Redirects are not followed: they would lead past the guard."""
    timestamp = int(datetime.now(UTC).timestamp())
    headers = {
        "content-type": "application/json",
        "webhook-id": event.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, event.id, timestamp, event.body),
    }
    try:
        async with http.post(url, data=event.body.encode(), headers=headers, allow_redirects=False) as reply:
            return None if 200 <= reply.status < 300 else f"status {reply.status}"
    except (aiohttp.ClientError, OSError, UnicodeError) as error:  # the last where a name is none, such as a..example
        return "TimeoutError" if isinstance(error, TimeoutError) else type(error).__name__


class Guarded(AbstractResolver):
    """Looks names up, and lets only public addresses pass, or this machine where the name says so.

    It is asked for the very connection, so a name cannot mean one address to a check and another one afterwards.
    """

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        allowed = is_local if is_local(host) else is_public
        if kept := [one for one in found if allowed(one["host"])]:
            return kept
        raise OSError(f"{host} is no public address")

    async def close(self) -> None:
        await self._resolver.close()
