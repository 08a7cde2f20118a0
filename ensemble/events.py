"""What happens to a request while it is answered: for the command line, server-sent events and pages."""

from collections.abc import Callable
from dataclasses import dataclass

from ensemble.types import Answer, Call, Ruling
from judges.quick import maker, quick


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A call to ``member`` has been set going."""

    member: str
    sample: int
    stage: int


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A call of a panel has ended, well or badly, before the answer left."""

    call: Call


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """``member`` leads: its text goes out from now on, while it is written. That is committed.

    ``thought``: it has shown thoughts before.
    """

    member: str
    thought: bool


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Grew:
    """A piece of the leader's text."""

    text: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A stage has its verdict."""

    ruling: Ruling


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The answer is decided and committed; it leaves now."""

    answer: Answer


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class LateDone:
    """What came after the answer has been committed; ``ruling`` is the full panel's, where there is one."""

    calls: tuple[Call, ...]
    ruling: Ruling | None


started, ended = maker(Started), maker(Done)
"""Of these there are as many as of calls."""
Event = Started | Done | Began | Grew | Judged | Finished | LateDone
Listener = Callable[[Event], None]


def nobody(event: Event) -> None:
    """The listener of those who do not listen."""
