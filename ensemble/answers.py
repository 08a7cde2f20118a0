"""The seam through which a member finds answers that it gave before."""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from judges.types import Completion

Owner = tuple[str | None, str | None, bool]
"""Whose answers: of which API key and tenant, and whether none is taken that was there before."""


Place = tuple[Owner, str, int]
"""Where equal calls meet: their owner, key and sample."""


@dataclass(slots=True)
class Flying:
    """Calls under way; each tells the ones who wait what came of it.

    A whole answer is told on until its request is in the log, where later ones find it: without that, an equal call
    that comes while the rest of the panel or the judge is still at work would be paid for twice. Who wants none that
    was there before takes none of these.
    """

    calls: dict[Place, asyncio.Future[Completion | None]] = field(default_factory=dict)
    _told_on: dict[str, list[Place]] = field(default_factory=dict)

    def board(self, request: str) -> None:
        """What comes of the calls of ``request`` may be told on from now until ``leave``."""
        self._told_on[request] = []

    def land(self, request: str, place: Place, said: Completion | None) -> None:
        """A call of ``request`` has ended with ``said``: told on where it is an answer and the request goes on."""
        future = self.calls[place]
        future.set_result(said)
        (_, _, fresh), _, _ = place
        if said is None or fresh or request not in self._told_on:
            del self.calls[place]
        else:
            self._told_on[request].append(place)

    def leave(self, request: str) -> None:
        """``request`` is over: what came of its calls is in the log, or was not to be kept."""
        for place in self._told_on.pop(request):
            del self.calls[place]


class Kept(Protocol):
    """Answers of one owner: an API key and a tenant."""

    async def find(self, key: str, sample: int) -> Completion | None:
        """The newest whole answer under ``key`` that is not too old, with its tokens; None where there is none."""
        ...

    @property
    def flying(self) -> Flying:
        """Calls of everybody that are under way."""
        ...

    @property
    def owner(self) -> Owner:
        """Whose answers these are; equal calls of one owner that are under way are made once."""
        ...
