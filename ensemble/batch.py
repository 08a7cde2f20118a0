"""What a provider must offer so that calls can be handed over in bulk, and their results fetched hours later."""

from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable

from ensemble.errors import CallFailed
from judges.types import Completion, Prompt

TRANSPORT = "sdk"
"""What carries batches, whatever makes the calls of the same connection one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """How much fits into one batch. ``one_model``: all of its items must ask the same model."""

    items: int
    bytes: int
    one_model: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """How far a batch is, in a few words that may be shown.

    ``rest`` is known once it has ended: what became of the items that have no result of their own.
    """

    told: str
    rest: CallFailed | None = None

    @property
    def ended(self) -> bool:
        """Every result that will ever be is there."""
        return self.rest is not None


class Found(NamedTuple):
    """A batch that may have been taken before its id could be noted; ``undecided``: ask again later."""

    id: str | None
    undecided: bool = False


class BatchResult(NamedTuple):
    """What one item came to. A failure is a value."""

    custom_id: str
    said: Completion | CallFailed


@runtime_checkable
class BatchConnection(Protocol):
    """A connection that takes calls in bulk. Every method raises CallFailed as ``Connection.complete`` does."""

    @property
    def batch_limits(self) -> BatchLimits:
        """How much fits into one batch."""
        ...

    def batch_item(self, custom_id: str, model: str, prompt: Prompt) -> bytes:
        """One item as it is sent. ``custom_id`` is of letters, digits, ``-`` and ``_``, at most 64."""
        ...

    async def submit_batch(self, name: str, items: Sequence[bytes]) -> str:
        """Hand over a batch under our ``name``; returns the provider's id."""
        ...

    async def find_batch(
        self, name: str, custom_ids: Collection[str], since: datetime, known: Collection[str]
    ) -> Found:
        """Look for a batch of that name or with those items, made after ``since`` (UTC) and not among ``known`` ids."""
        ...

    async def batch_state(self, id_: str) -> BatchState:
        """How far the batch is."""
        ...

    def batch_results(self, id_: str) -> AsyncGenerator[BatchResult, None]:
        """The results of a batch that has ended, in any order; ``Completion.dropped`` is left to the caller."""
        ...

    async def cancel_batch(self, id_: str) -> None:
        """Ask that nothing more of the batch be worked on; what is done is paid, and is among the results."""
        ...


def expired() -> CallFailed:
    """The failure of an item whose turn did not come; it is not billed, and may be asked again."""
    return CallFailed("the batch expired before its turn", failure="timeout", retryable=True, sent=False)


def cancelled() -> CallFailed:
    """The failure of an item of a cancelled batch; it is not billed."""
    return CallFailed("the batch was cancelled before its turn", failure="cancelled", sent=False)


def unanswered() -> CallFailed:
    """The failure of an item that the provider says nothing of; nobody knows whether it is billed."""
    return CallFailed("the batch ended without a result for it that can be read", failure="bad_reply")
