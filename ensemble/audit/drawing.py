"""Sends a random part of the traffic to people, beside what waits for them anyway: the ``[reviews]`` table."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from pydantic import BaseModel, ConfigDict, Field
from uuid_utils import uuid7

from ensemble.audit.sampling import sample
from ensemble.errors import StoreError
from ensemble.place import PLACE, Place
from ensemble.store import Store
from ensemble.store.audit.draws import Draw, Unit, drawn_until, frame, queue_drawn, queued
from ensemble.store.content import stamp

log = logging.getLogger(__name__)

EVERY_S = 900.0
"""Seconds between two looks whether a draw is due."""
PERIOD = timedelta(days=1)
"""Least time that the frame of a draw by itself spans."""
SETTLED = timedelta(minutes=10)
"""What arrived later than this is left to the next draw: its late verdicts are still to come."""


class ReviewSettings(BaseModel):
    """How much of what people look at is drawn by lot, as the ``[reviews]`` table.

    Attributes:
        share: part of what waits for people that is drawn at random from all traffic, once a day, since figures about
            the judge need it; 0 draws nothing. Where nothing else waits for people, nothing is drawn by itself.
        twice: part of what is drawn that two people decide on, neither of whom sees what the other found.
        adjudicators: names under which people settle what two find differently; they are neither of the two. Where it
            is empty, anybody else than the two does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(0.2, ge=0, le=0.9)
    twice: float = Field(0.1, ge=0, le=1)
    adjudicators: tuple[str, ...] = ()


async def draw(store: Store, settings: ReviewSettings, now: datetime, cases: int | None = None) -> int:
    """Draw from all that arrived since the last draw, and queue it; return how many cases were drawn.

    ``cases`` is how many to draw; None for as many as ``settings.share`` asks for beside what was queued meanwhile.

    Raises:
        StoreError: the log cannot be read or written.
    """
    since, until = await store.read(drawn_until), stamp(now - SETTLED)
    wanted: float = cases or 0
    if cases is None:
        wanted = settings.share / (1 - settings.share) * await store.read(partial(queued, since=since, until=until))
    units = await store.read(partial(frame, since=since, until=until)) if wanted else []
    if not units:
        return 0
    made = await asyncio.to_thread(_draw, units, wanted, settings.twice, since, until)
    return await store.change(partial(queue_drawn, draw=made, now=now))


@asynccontextmanager
async def drawing(store: Store, settings: Callable[[], ReviewSettings]) -> AsyncIterator[None]:
    """Draw once a day while the context is open, by the settings in force.

    Of several workers the one does it that leads.
    """
    task = asyncio.get_running_loop().create_task(_rounds(store, settings, PLACE.get()))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _rounds(store: Store, settings: Callable[[], ReviewSettings], place: Place) -> None:
    while True:
        try:
            now = datetime.now(UTC)
            ours = settings().share > 0 and place.leads()
            if ours and await store.read(drawn_until) < stamp(now - SETTLED - PERIOD):
                drawn = await draw(store, settings(), now)
                if drawn:
                    log.info("%d cases were drawn at random for review", drawn)
        except StoreError as error:
            log.warning("the draw for review waits: %s", error)
        except Exception:
            log.exception("the draw for review failed")  # a bug, which must not end the draws of all days to come
        await asyncio.sleep(EVERY_S)


def _draw(units: list[Unit], wanted: float, twice: float, since: str, until: str) -> Draw:
    seed = secrets.token_hex(16)
    found = sample(units, wanted, blind=twice, seed=seed)
    return Draw(id=str(uuid7()), seed=seed, since=since, until=until, drawn=found.drawn, strata=found.strata)
