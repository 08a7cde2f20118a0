"""What a service does for its keys in the background: settle budgets, sweep after dead processes, note the last use."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from ensemble.errors import StoreError
from ensemble.keys.keyring import Keyring
from ensemble.keys.reservations import LogReservations
from ensemble.place import PLACE, Place

log = logging.getLogger(__name__)

EVERY_S = 60.0
"""Seconds between two sweeps."""


@asynccontextmanager
async def keeping(keyring: Keyring, reservations: LogReservations) -> AsyncIterator[None]:
    """Look after both while the context is open; leaving it settles what is left.

    Of several workers the one sweeps that leads.
    """
    task = asyncio.get_running_loop().create_task(_rounds(keyring, reservations, PLACE.get()))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await _tried(reservations.write_off)
        await _tried(keyring.remember)


async def _rounds(keyring: Keyring, reservations: LogReservations, place: Place) -> None:
    clock = asyncio.get_running_loop().time
    swept = -EVERY_S
    while True:
        if clock() - swept >= EVERY_S:
            swept = clock()
            if place.leads():
                await _tried(reservations.sweep)
            await _tried(keyring.remember)
        await reservations.news(EVERY_S)
        await _tried(reservations.write_off)


async def _tried(step: Callable[[], Awaitable[None]]) -> None:
    try:
        await step()
    except StoreError as error:
        log.warning("keys and budgets are looked after later: %s", error)
    except Exception:
        log.exception("looking after keys and budgets failed")  # a bug in one step, which must not end all others
