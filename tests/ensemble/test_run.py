"""Whenever a request is cancelled, once or twice, nothing of it is lost: no task, no place, no money, no line."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ensemble.allowance import Amount
from ensemble.answers import Flying
from ensemble.errors import CallFailed, EnsembleError
from ensemble.fleet import Member, MemberSettings
from ensemble.limits import Limiter
from ensemble.provider import Delta
from ensemble.router import Router
from ensemble.types import Late, Plan, Record, Stage
from judges.types import Completion, Prompt
from tests.ensemble.doubles import NothingKept, a_request, failed, said
from tests.ensemble.engine import Kept, Picky, Planned, a_pipeline, panel, settle
from tests.virtual import VirtualLoop


class Steps(VirtualLoop):
    """Cancels ``victim`` in the turns ``at``, counted from when it was named."""

    def __init__(self) -> None:
        super().__init__()
        self.turns, self.at = 0, set[int]()
        self.victim: asyncio.Task[Any] | None = None

    def _run_once(self) -> None:
        super()._run_once()  # type: ignore[misc]  # no part of the annotated interface
        if self.victim is not None and not self.victim.done():
            self.turns += 1
            if self.turns in self.at:
                self.victim.cancel()


@dataclass
class Slow:
    """Takes ``delay_s`` to answer, in two pieces where it streams, and a while to be cancelled."""

    reply: str | CallFailed
    delay_s: float
    sent: int = 0
    transport: str = "sdk"

    async def complete(self, model: str, prompt: Prompt) -> Completion:
        self.sent += 1
        return await self._end(self.delay_s)

    async def stream(self, model: str, prompt: Prompt) -> AsyncIterator[Delta | Completion]:
        self.sent += 1
        whole = await self._end(self.delay_s / 2)
        yield Delta(kind="text", text=whole.text)
        yield await self._end(self.delay_s / 2)

    async def _end(self, seconds: float) -> Completion:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)
            raise
        if isinstance(self.reply, CallFailed):
            raise self.reply
        return said(self.reply)


@dataclass
class SlowKept(Kept):
    """Takes what it is told at once and says so later, as the log does, which refuses a second record of a request."""

    async def record(self, record: Record) -> None:
        assert all(one.status == "streaming" for one in self.records)
        await super().record(record)
        await asyncio.sleep(0.05)

    async def record_late(self, late: Late) -> None:
        await super().record_late(late)
        await asyncio.sleep(0.05)


@dataclass
class Purse:
    """An allowance that counts what is set aside."""

    aside: int = 0
    bounded = frozenset({"tokens"})
    refused = None

    async def take(self, most: Amount) -> bool:
        await asyncio.sleep(0.02)
        self.aside += most.tokens
        return True

    def settle(self, most: Amount, used: Amount) -> None:
        self.aside -= most.tokens

    def end(self) -> None:
        """Nothing is given back."""


@dataclass
class Given:
    """Members by name, each with its reply and seconds, and the router that asks them."""

    router: Callable[[], Router]
    c: tuple[str | CallFailed, float] = ("z!!", 5)
    replies: tuple[str | CallFailed, str | CallFailed] = ("x!", "y")
    stream: bool = False
    asks: str = ""
    hedged: bool = False


def _planned(*stages: Stage, **rest: Any) -> Router:
    router = Planned()
    object.__setattr__(router, "made", Plan(router="r", stages=stages, reason="", **rest))
    return router


def _stage(*members: str, **rules: Any) -> Stage:
    return Stage(members=members, judge="picky", **rules)


REFUSING = {"min_score": 0.95, "on_low": "refuse"}
GIVEN = {
    "the slowest is cancelled": Given(lambda: panel("a", "b", "c", quorum=2, grace_s=0.2), c=("z", 50)),
    "the slowest goes on": Given(lambda: panel("a", "b", "c", quorum=2, grace_s=0.2, straggler_s=10)),
    "a leader": Given(lambda: panel("a", "b", "c", streaming="leader", grace_s=1), c=("z", 30), stream=True),
    "a leader waits for the verdict": Given(lambda: panel("a", "b", "c", streaming="leader", grace_s=9), stream=True),
    "all fail": Given(
        lambda: panel("a", "b"), replies=(failed("rejected"), failed("overloaded", retryable=True))
    ),
    "a judge asks": Given(lambda: panel("a", "b"), asks="c"),
    "a cascade": Given(
        lambda: _planned(_stage("a", "c", quorum=1, grace_s=0.1, straggler_s=30, accept_score=0.9), _stage("b"))
    ),
    "a shadow": Given(lambda: _planned(_stage("a", "b"), shadow=("c",))),
    "refused": Given(lambda: panel("a", "b", "c", quorum=2, grace_s=0.1, straggler_s=9, trust=REFUSING)),
    "hedged": Given(lambda: panel("a", "b", hedge=True), hedged=True),
}  # fmt: skip


def _member(name: str, reply: str | CallFailed, seconds: float) -> tuple[Member, Slow]:
    wire = Slow(reply, seconds)
    table = {"provider": "local", "model": name, "price": {"input": 1, "output": 2}, "max_output_tokens": 100}
    limiter = Limiter(requests_per_minute=None, tokens_per_minute=None, max_in_flight=2)
    return Member(name, MemberSettings.model_validate(table), wire, limiter), wire


def run(given: Given, *at: int) -> tuple[int, list[str]]:
    """How many turns the request took, cancelled in those of ``at``, and what was left behind."""

    async def main() -> tuple[int, list[str]]:
        first, second = given.replies
        made = {n: _member(n, *of) for n, of in (("a", (first, 1.0)), ("b", (second, 2.0)), ("c", given.c))}
        for member, _ in made.values():
            for _ in range(30 if given.hedged else 0):
                member.latencies.add(0.5)
        judge = Picky()
        object.__setattr__(judge, "asks", given.asks)
        pipeline, _ = a_pipeline({name: member for name, (member, _) in made.items()}, given.router(), judge)
        kept, purse, flying = SlowKept(), Purse(), Flying()
        object.__setattr__(pipeline, "store", kept)
        request = a_request(stream=given.stream, allowance=purse, kept=NothingKept(flying))
        flying.board(request.id)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Steps)
        before = asyncio.all_tasks()
        work = loop.create_task(pipeline.answer(request))
        work.add_done_callback(lambda _: flying.leave(request.id))
        loop.at, loop.victim = set(at), work
        await asyncio.wait({work})
        if not work.cancelled():
            assert work.exception() is None or isinstance(work.exception(), EnsembleError)
        await settle(pipeline)
        return loop.turns, list(_left(made, kept, purse, flying, asyncio.all_tasks() - before - {work}))

    with asyncio.Runner(loop_factory=Steps) as runner:
        return runner.run(main())


def _left(
    made: dict[str, tuple[Member, Slow]], kept: Kept, purse: Purse, flying: Flying, tasks: set[asyncio.Task[Any]]
) -> Iterator[str]:
    lines = [call for record in kept.records for call in record.calls]
    lines += [call for late in kept.lates for call in late.calls]
    sent = sum(wire.sent for _, wire in made.values())
    heard = sum(call.failure != "cancelled" or call.usage.nano_usd is None for call in lines)
    if tasks:
        yield f"tasks {tasks}"
    if places := [n for n, (member, _) in made.items() if member.limiter.in_flight or member.limiter.waiting]:
        yield f"places at {places}"
    if len([record for record in kept.records if record.status != "streaming"]) != 1:
        yield f"records {[record.status for record in kept.records]}"
    if sent != heard or len({call.id for call in lines}) != len(lines):
        yield f"{sent} were sent, the ledger has {[(call.member, call.failure) for call in lines]}"
    if purse.aside or flying.calls:
        yield f"set aside {purse.aside}, waited for {list(flying.calls)}"


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_nothing_is_lost_whenever_a_request_is_cancelled(given: Given) -> None:
    turns, left = run(given)
    assert left == []
    # Cancelled in its first turn it has not begun.
    tried = [(at, at + again) for at in range(2, turns + 1) for again in (0, 1, 3)]
    assert {at: left for at in tried if (left := run(given, *at)[1])} == {}
