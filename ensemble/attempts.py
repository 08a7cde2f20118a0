"""One call of a member while it is being made, attempt by attempt."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

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


def is_cancellation(raised: BaseException) -> bool:
    """Whether ``raised`` says that somebody cancels this task: a library may let one of its own cancellations out."""
    task = asyncio.current_task()
    return isinstance(raised, asyncio.CancelledError) and (task is None or task.cancelling() > 0)
