"""What is known of one request while it is under way."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ParamSpec

from ensemble.errors import EnsembleError
from ensemble.events import Event, Listener, nobody
from ensemble.fanout import Seat
from ensemble.leading import Lead
from ensemble.types import Call, Fallback, Plan, Record, Request, Ruling, Status
from judges.quick import maker
from judges.types import Candidate, CandidateId

P = ParamSpec("P")
_record = maker(Record)


@dataclass(slots=True)
class Run:
    """What is known of one request so far; ``review`` is why a person is to look at its answer, None where none is.

    ``lead`` is who speaks where a leader does, ``behind`` the panel and the judge behind it; ``begun`` once the log
    knows that it speaks.
    """

    request: Request
    begin: float
    listener: Listener
    plan: Plan | None = None
    calls: list[Call] = field(default_factory=list)
    recorded: int = 0
    authors: dict[CandidateId, str] = field(default_factory=dict)
    rulings: list[Ruling] = field(default_factory=list)
    late: dict[asyncio.Task[Call], Seat] = field(default_factory=dict)
    panel: tuple[Call, ...] = ()
    review: str | None = None
    lead: Lead | None = None
    behind: asyncio.Task[Ruling | None] | None = None
    begun: bool = False

    def tell(self, event: Callable[P, Event], *_: P.args, **fields: P.kwargs) -> None:
        """Tell the listener of the ``event`` that has these ``fields``; where nobody listens none is made."""
        if self.listener is not nobody:
            self.listener(event(*_, **fields))

    def heard(self, call: Call) -> None:
        """An attempt has ended: a line of the ledger."""
        self.calls.append(call)
        if self.lead is not None:
            self.lead.told(call)

    @property
    def at_work(self) -> set[asyncio.Task[Any]]:
        """What is still under way for it, or has just ended."""
        return {*self.late, *((self.behind,) if self.behind is not None else ())}

    def unrecorded(self) -> tuple[Call, ...]:
        """Lines of the ledger that have not been handed to the store yet; they are counted as handed over now."""
        fresh = tuple(self.calls[self.recorded :])
        self.recorded = len(self.calls)
        return fresh

    def record(
        self, status: Status, *, config: str, keep: bool, choice: "Choice | None", error: EnsembleError | None
    ) -> Record:
        """All of it that the log does not have yet; ``config`` is the configuration's digest."""
        return _record(
            request=self.request,
            status=status,
            plan=self.plan,
            calls=() if status == "streaming" else self.unrecorded(),
            authors=dict(self.authors),
            rulings=tuple(self.rulings),
            chosen=choice.candidate.id if choice else None,
            fallback=choice.fallback if choice else None,
            answered_s=asyncio.get_running_loop().time() - self.begin,
            config=config,
            error=error.code if error else None,
            error_detail=str(error) if error else "",
            keep=keep,
            begun=self.begun,
            ranking=choice.ranking[: self.request.n] if choice and self.request.n > 1 else (),
            review=self.review,
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """What a stage came to; ``ranking`` holds its candidates, the best first, all of them where several are served."""

    candidate: Candidate
    member: str
    fallback: Fallback | None
    ranking: tuple[CandidateId, ...]
