"""The seam through which a member finds answers that it gave before."""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from judges.types import Completion


@dataclass(slots=True)
class Flying:
    """Calls under way, by owner, key and sample; each tells the ones who wait what came of it."""

    calls: dict[tuple[str, str, int], asyncio.Future[Completion | None]] = field(default_factory=dict)


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
    def owner(self) -> str:
        """Whose answers these are."""
        ...
