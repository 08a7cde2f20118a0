"""The seam through which a member finds answers that it gave before."""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from judges.types import Completion

Owner = tuple[str | None, str | None, bool]
"""Whose answers: of which API key and tenant, and whether none is taken that was there before."""


@dataclass(slots=True)
class Flying:
    """Calls under way, by owner, key and sample; each tells the ones who wait what came of it."""

    calls: dict[tuple[Owner, str, int], asyncio.Future[Completion | None]] = field(default_factory=dict)


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
