"""The one seam through which a run asks: a seat's call and a judge's question alike."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

from ensemble.fleet import Fleet, Member, Seen
from ensemble.ledger import Aim
from ensemble.ruling import call_key
from ensemble.types import Call, Request
from judges.errors import ModelError
from judges.types import Completion, Model, Prompt

PATIENCE_S = 3600.0
"""Most seconds of one call with its retries and its wait for a place: nobody waits for a label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One call that is to be made: a seat's, with ``aim.candidate``, or a judge's, with ``aim.key``.

    ``id`` is that of the reservation made for it.
    """

    request: Request
    member: Member
    prompt: Prompt
    aim: Aim
    id: str = ""

    @property
    def key(self) -> str:
        """Hash of the prompt as the member gets it and of the member's digest."""
        return self.aim.key or call_key(self.member, self.prompt, self.aim.purpose)


class Asker(Protocol):
    """How questions reach the members: one at a time (``Online``), or many in a batch (``Waves``).

    Attributes:
        batch: whether questions wait for others and are asked together, at batch prices.
        patience_s: most seconds for which a judge waits for all of its questions together.
        stopped: what ended it before its time; the run ends with it.
    """

    batch: bool
    patience_s: float
    stopped: Exception | None

    async def ask(self, question: Question, seen: Seen) -> Call:
        """Ask; ``seen`` is told of every attempt and the last one is returned. A failure is a value.

        What it raises, but for cancellation, ends the run.
        """
        ...

    def holds(self, id_: str) -> bool:
        """Whether the question of that ``id`` may still be paid for although ``ask`` has ended."""
        ...

    def close(self, why: Exception) -> None:
        """Hand over nothing more and wait for nothing that may take hours; those who wait get ``why``."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """The time in which questions may be asked."""
        ...


class Online:
    """Asks at once, behind the member's own limits. A member whose circuit is open gets its time before it is asked."""

    batch = False
    patience_s = PATIENCE_S
    stopped: Exception | None = None

    async def ask(self, question: Question, seen: Seen) -> Call:
        member = question.member
        # Without this pause a member that is down would burn through thousands of prompts in its first half minute.
        if wait := member.circuit.wait_s():
            await asyncio.sleep(min(wait, member.settings.circuit_open_s))
        until = asyncio.get_running_loop().time() + PATIENCE_S
        return await member.call(question.request, question.prompt, question.aim, seen=seen, until=until)

    def holds(self, id_: str) -> bool:
        """False: once ``ask`` has ended, everything is known."""
        return False

    def close(self, why: Exception) -> None:
        """Nothing: calls under way end soon."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Always."""
        return nullcontext()


Ask = Callable[[Question], Awaitable[Call]]
"""Asks a question and has the money and the record taken care of."""


class Consulted(Mapping[str, Model]):
    """Every member as a model for a judge; a reply that is stored is replayed and not paid again.

    Attributes:
        lines: the calls behind what was replied, stored or new, in the order asked.
        replayed: how many of them were stored before.
        patient: whether replies may take hours.
        stopped: what ended the run while a question waited; the finding is then worth nothing.
    """

    def __init__(
        self,
        fleet: Fleet,
        request: Request,
        aim: Aim,
        ask: Ask,
        replies: Iterable[Call] = (),
        *,
        patient: bool = False,
    ) -> None:
        self.patient = patient
        self._fleet, self._request, self._aim, self._ask = fleet, request, aim, ask
        self._stored: dict[str | None, deque[Call]] = {}
        for call in replies:
            self._stored.setdefault(call.key, deque()).append(call)
        self._seen: Seen = lambda call: None
        self.lines: list[Call] = []
        self.replayed = 0
        self.stopped: Exception | None = None

    def telling(self, seen: Seen) -> "Consulted":
        """These models, which tell ``seen`` of every reply."""
        self._seen = seen
        return self

    def __getitem__(self, name: str) -> Model:
        return _Replaying(self, self._fleet[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fleet)

    def __len__(self) -> int:
        return len(self._fleet)

    async def complete(self, member: Member, prompt: Prompt) -> Completion:
        """The stored reply of this question, or a new one. Raises as ``Model.complete`` does."""
        key = call_key(member, prompt, self._aim.purpose)
        if stored := self._stored.get(key):
            call = stored.popleft()
            self.replayed += 1
        else:
            aim = replace(self._aim, key=key)
            try:
                call = await self._ask(Question(request=self._request, member=member, prompt=prompt, aim=aim))
            except Exception as error:
                # To the judge it is a failure of its model, which it knows to handle; who asked the judge looks here.
                self.stopped = error
                raise ModelError(str(error)) from error
        self.lines.append(call)
        self._seen(call)
        if call.failure is not None or call.completion is None:
            raise ModelError(f"{call.failure}: {call.detail}")
        return call.completion


class _Replaying:
    """One member as ``judges.types.Model``."""

    def __init__(self, consulted: Consulted, member: Member) -> None:
        self._consulted, self._member = consulted, member

    @property
    def context_tokens(self) -> int | None:
        return self._member.settings.context_tokens

    @property
    def patient(self) -> bool:
        return self._consulted.patient

    async def complete(self, prompt: Prompt) -> Completion:
        return await self._consulted.complete(self._member, prompt)
