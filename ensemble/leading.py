"""A leader: one member whose answer goes out while it is written, before a judge has seen it.

Every member of the panel streams. The first of them in the order of trust leads; where it fails or stays silent, the
next one takes over, until the first piece of text is let out: from then on the answer is that member's, or broken.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ensemble.errors import CallFailed, StreamBroken
from ensemble.fanout import Seat
from ensemble.fleet import Member, Send
from ensemble.types import Call, Plan, Request
from judges.types import Candidate, CandidateId, Completion, Prompt

SILENCE = 0.5
"""Share of a request's time after which anybody who has something to say may lead."""


def may_lead(plan: Plan, request: Request) -> bool:
    """Whether a member may speak before there is a verdict: of several stages the first one's answer need not stand."""
    return request.stream and request.n == 1 and len(plan.stages) == 1


def behind_a_leader(plan: Plan) -> Plan:
    """``plan`` as it is carried out behind a leader: nobody waits for the judge, so it sees the whole panel."""
    (stage,) = plan.stages
    return replace(plan, stages=(replace(stage, quorum=None, hedge=False, judge_reserve_s=0.0),))


def trusted(plan: Plan, leader: str | None) -> Sequence[str]:
    """The members of the only stage of ``plan``, the leader first, then by how far they are trusted."""
    members = plan.stages[0].members
    return [member for member in dict.fromkeys((leader, *plan.fallback, *members)) if member in members]


@dataclass(slots=True)
class _Voice:
    """What one candidate has said so far."""

    pieces: list[str] = field(default_factory=list)
    thought: bool = False
    call: Call | None = None

    @property
    def able(self) -> bool:
        """It has something to let out."""
        return bool(self.pieces) or (self.call is not None and self.call.good)

    @property
    def failed(self) -> bool:
        """Its last attempt has; there may be another one."""
        return self.call is not None and self.call.failure is not None

    @property
    def poor(self) -> bool:
        """It has ended with nothing that is worth letting out."""
        return self.call is not None and not self.call.good and not self.pieces


class Lead:
    """Who of a panel leads, and what it says; made on the event loop that carries the request out.

    ``order`` are members, who leads best first; ``leader`` may change until something of it is let out.
    """

    def __init__(self, order: Sequence[str]) -> None:
        self.leader: CandidateId | None = None
        self._order = order
        self._voices: dict[CandidateId, _Voice] = {}
        self._out: Callable[[str], None] | None = None
        self._anybody = False
        self._over = False
        self._changed = asyncio.Event()

    def take(self, seats: Sequence[Seat]) -> None:
        """These make up the panel."""
        for seat in sorted(seats, key=lambda seat: self._order.index(seat.member)):
            self._voices[seat.candidate] = _Voice()

    def sender(self, member: Member, candidate: CandidateId) -> Send:
        """How ``member`` makes an attempt at ``candidate``: streaming, heard piece by piece."""

        async def send(model: str, prompt: Prompt) -> Completion:
            if self._is_out(candidate):
                raise CallFailed("its stream broke and cannot be begun again", failure="cut_stream", sent=False)
            whole: Completion | None = None
            async for piece in member.connection.stream(model, prompt):
                if isinstance(piece, Completion):
                    whole = piece
                elif piece.kind == "text" and piece.text:
                    self._hear(candidate, piece.text)
                elif piece.kind == "reasoning":
                    self._voices[candidate].thought = True
            if whole is None:
                raise CallFailed("the stream ended without an answer", failure="cut_stream")
            return whole

        return send

    async def speaks(self, begin: float, deadline: float) -> CandidateId | None:
        """Who leads, once it has something to say; None where nobody had until ``over``.

        After a share of the time between ``begin`` and ``deadline`` whoever has something to say goes first.
        """
        patience: float | None = begin + SILENCE * (deadline - begin)
        while self.leader is None and not self._over:
            try:
                async with asyncio.timeout_at(patience):
                    await self._next()
            except TimeoutError:
                patience, self._anybody = None, True
                self._choose()
        return self.leader

    async def spoken(self) -> Candidate:
        """All that the leader has said.

        Raises:
            StreamBroken: it broke off.
        """
        while (call := self._voices[self._leader].call) is None:
            await self._next()
        if call.failure is not None or call.completion is None:
            raise StreamBroken(f"the answer of {call.member} broke off: {call.failure} ({call.detail})")
        return Candidate(id=self._leader, completion=call.completion)

    def let_out(self, out: Callable[[str], None]) -> None:
        """Tell ``out`` what the leader has said so far and whatever it says from now on."""
        self._out = out
        if said := "".join(self._voices[self._leader].pieces):
            out(said)

    def told(self, call: Call) -> None:
        """An attempt has ended."""
        voice = self._voices.get(call.candidate) if call.candidate is not None else None
        if voice is None:
            return
        voice.call = call
        if voice.failed and not self._is_out(call.candidate):
            voice.pieces.clear()
            voice.thought = False
            if self.leader == call.candidate:
                self.leader = None
        self._choose()
        self._changed.set()

    def over(self) -> None:
        """No more will be said: without a leader it is the best trusted of those that answered, however badly."""
        if self.leader is None:
            came = (c for c, voice in self._voices.items() if voice.call is not None and not voice.failed)
            self.leader = next(came, None)
        self._over = True
        self._changed.set()

    @property
    def ended(self) -> bool:
        """The leader has said all."""
        return self._voices[self._leader].call is not None

    @property
    def thought(self) -> bool:
        """The leader has shown thoughts before its text."""
        return self._voices[self._leader].thought

    @property
    def _leader(self) -> CandidateId:
        if self.leader is None:
            raise RuntimeError("nobody leads yet")
        return self.leader

    def _is_out(self, candidate: CandidateId | None) -> bool:
        return self._out is not None and self.leader == candidate

    async def _next(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _hear(self, candidate: CandidateId, text: str) -> None:
        voice = self._voices[candidate]
        if self._out is not None and self._is_out(candidate):
            self._out(text)
            return
        voice.call = None
        voice.pieces.append(text)
        self._choose()
        self._changed.set()

    def _choose(self) -> None:
        if self.leader is not None:
            return
        for candidate, voice in self._voices.items():
            if voice.able:
                self.leader = candidate
                return
            if not (self._anybody or voice.failed or voice.poor):
                return  # it may still speak, and goes before those behind it
