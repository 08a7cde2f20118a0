"""One call of a member while it is being made, attempt by attempt."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ensemble.errors import CallFailed
from ensemble.fitness import estimate_tokens
from ensemble.ledger import Aim
from ensemble.types import Call, Request
from judges.types import Completion, Prompt

Seen = Callable[[Call], None]
"""Told of every attempt that has ended: a line of the ledger."""
Send = Callable[[str, Prompt], Awaitable[Completion]]
"""Makes one attempt at a model id, as ``Connection.complete`` does."""
Tried = tuple[Call, CallFailed | None]
"""What became of an attempt."""


@dataclass(slots=True)
class Task:
    """The prompt as sent, on whose behalf, until when by ``clock``, the event loop's, and the attempts so far."""

    request: Request
    prompt: Prompt
    removed: tuple[str, ...]
    aim: Aim
    seen: Seen
    until: float
    send: Send
    clock: Callable[[], float]
    attempts: int = 0
    estimated: int | None = None

    def tokens(self) -> int:
        """What ``estimate_tokens`` says of the prompt, found out once."""
        if self.estimated is None:
            self.estimated = estimate_tokens(self.prompt)
        return self.estimated

    def reserved(self) -> int:
        """Tokens that an attempt may take: those of the prompt, and of the longest answer where that is limited."""
        return self.tokens() + (self.prompt.max_output_tokens or 0)


class Attempt(Protocol):
    """Makes one attempt; with ``hedge`` beside another that is slow."""

    def __call__(self, *, hedge: bool = False) -> Awaitable[Tried]: ...


async def hedged(attempt: Attempt, patience: float) -> Tried:
    """One attempt, and where it takes more than ``patience`` seconds a second one beside it: the first good one.

    The other is cancelled. Where none is good it is the last that failed.
    """
    tried: list[Tried] = []

    async def make(*, hedge: bool = False) -> None:
        tried.append(await attempt(hedge=hedge))

    async with asyncio.TaskGroup() as group:
        _, pending = await asyncio.wait({group.create_task(make())}, timeout=patience)
        if pending:
            pending.add(group.create_task(make(hedge=True)))
        while pending and all(error for _, error in tried):
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for slower in pending:
            slower.cancel()
    # Both may be good and end in one turn of the loop. The log takes the first for the candidate, so it is judged, too.
    return next((one for one in tried if one[1] is None), tried[-1])


def is_cancellation(raised: BaseException) -> bool:
    """Whether ``raised`` says that somebody cancels this task: a library may let one of its own cancellations out."""
    task = asyncio.current_task()
    return isinstance(raised, asyncio.CancelledError) and (task is None or task.cancelling() > 0)
