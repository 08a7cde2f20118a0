"""How the time of a request is shared out, so that an answer leaves in time whenever any candidate is there.

Whatever may hang has a share of its own: the router half of the time, each stage but the last an equal part of what is
left, the judge what the fan-out keeps back for it, and the commit a leeway at the end. All times are those of the event
loop's clock, in seconds.
"""

from collections.abc import Awaitable
from typing import TypeVar

from ensemble.errors import RouterError
from judges.deadline import Deadline

T = TypeVar("T")

LEEWAY = 0.2
"""Share of a request's time that is kept back for committing and sending the answer."""
LEEWAY_S = 0.5
"""Most seconds of it."""
PLANNING = 0.5
"""Share of the time that a router may take; those that ask models keep to less by themselves."""


def decided_by(now: float, seconds: float) -> float:
    """When the answer must stand, so that the client has it ``seconds`` from ``now``."""
    return now + seconds - min(LEEWAY_S, LEEWAY * seconds)


def stage_end(now: float, deadline: float, stages: int) -> float:
    """When a stage must have come to something, ``stages`` being to come with it: the last may use all that is left."""
    return now + max(0.0, deadline - now) / max(1, stages)


async def in_time(planning: Awaitable[T], now: float, deadline: float) -> T:
    """What a router's ``planning`` comes to, which has its share of the time until ``deadline``.

    Raises:
        RouterError: it was not done in time.
    """
    seconds = PLANNING * max(0.0, deadline - now)
    try:
        with Deadline(now + seconds):
            return await planning
    except TimeoutError:
        raise RouterError(f"it had no plan within {seconds:.3g} s") from None
