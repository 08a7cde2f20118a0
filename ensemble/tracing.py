"""Where a request is traced, if it is: what the engine tells of its calls and verdicts while they happen.

The engine knows no tracing library. Whoever opens a trace (``observing.telemetry``) sets ``CURRENT`` for the task that
answers; tasks made of that one inherit it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Protocol

from ensemble.ledger import Aim
from ensemble.types import Call, Ruling

Told = Callable[[Call], None]


class Trace(Protocol):
    """The trace of one request."""

    def attempt(self, member: str, provider: str, model: str, aim: Aim) -> AbstractContextManager[Told]:
        """A span for one attempt at a member, which is told the line of the ledger that came of it."""
        ...

    def judged(self, ruling: Ruling) -> None:
        """A verdict, as an event of the request."""
        ...

    def headers(self) -> Mapping[str, str]:
        """What carries the trace to a provider."""
        ...


CURRENT: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""The trace of the request that this task works for; None where nobody traces."""


@contextmanager
def attempt(member: str, provider: str, model: str, aim: Aim) -> Iterator[Told]:
    """As ``Trace.attempt``, where there is a trace."""
    trace = CURRENT.get()
    if trace is None:
        yield lambda call: None
        return
    with trace.attempt(member, provider, model, aim) as told:
        yield told


def judged(ruling: Ruling) -> None:
    """As ``Trace.judged``, where there is a trace."""
    if (trace := CURRENT.get()) is not None:
        trace.judged(ruling)


def headers() -> Mapping[str, str]:
    """As ``Trace.headers``; nothing where there is no trace."""
    trace = CURRENT.get()
    return {} if trace is None else trace.headers()
