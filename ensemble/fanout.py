"""Call many members at once and stop at the right moment."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ensemble.fleet import Fleet, Member, Seen, Send
from ensemble.ledger import Aim
from ensemble.types import Call, Purpose, Request, Stage
from judges.deadline import Deadline
from judges.forms import Form
from judges.quick import maker, quick, replace
from judges.types import CandidateId, Prompt

_aim = maker(Aim)
Enough = Callable[[Sequence[Call], int], bool]
"""Told the calls so far and how many are outstanding; True ends the wait."""
PARTING_S = 0.25
"""Most seconds that an answer waits for the end of calls that it has cancelled."""
ENDING_S = 0.05
"""Most seconds beyond a deadline in which calls tell how they ended, where none of them brought an answer."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One place of a panel: a member, the number of its sample, and the candidate that it is to make."""

    member: str
    sample: int
    candidate: CandidateId


seated = maker(Seat)


@dataclass(frozen=True, slots=True)
class FanOut:
    """``done`` holds calls in the order of ``stage.members``; ``late`` holds the tasks that are still at work."""

    done: tuple[Call, ...]
    late: dict[asyncio.Task[Call], Seat]


class Stragglers:
    """Owns the tasks that outlive their answer.

    They are bounded in number and in time, record what they bring, and are cancelled and awaited at shutdown.
    """

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()
        self._uncut: set[asyncio.Task[None]] = set()

    @property
    def room(self) -> bool:
        """Whether another request may leave work behind; else its calls are cancelled and its shadow is not asked."""
        return len(self._tasks) < self._most

    def own(self, work: Coroutine[object, object, None], *, to_the_end: bool = False) -> None:
        """Run ``work`` beyond the request that started it. It must bound its own time and handle its own failures.

        With ``to_the_end`` a shutdown waits for it instead of cancelling it: for short work such as writing a record.
        """
        task = asyncio.get_running_loop().create_task(work)
        tasks = self._uncut if to_the_end else self._tasks
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def idle(self) -> None:
        """Wait until nothing is left to do."""
        while working := self._tasks | self._uncut:
            await asyncio.wait(working)

    async def settled(self) -> None:
        """Wait until what is under way now has ended, whatever comes meanwhile."""
        if working := self._tasks | self._uncut:
            await asyncio.wait(working)

    async def close(self, patience_s: float = 0.0) -> None:
        """Give the work ``patience_s`` seconds, then cancel it; returns when all of it has ended."""
        if self._tasks and patience_s > 0:
            await asyncio.wait(self._tasks, timeout=patience_s)
        await cancel(self._tasks)
        if self._uncut:
            await asyncio.wait(self._uncut)


async def fan_out(
    request: Request,
    stage: Stage,
    fleet: Fleet,
    seats: Sequence[Seat],
    *,
    index: int,
    seen: Seen,
    purpose: Purpose = "candidate",
    until: float | None = None,
    enough: Enough | None = None,
    done: Callable[[Call], None] = lambda call: None,
    sender: Callable[[Seat], Send | None] = lambda seat: None,
) -> FanOut:
    """Call every seat at once; return at the quorum plus its grace, when ``enough`` says so, or near ``until``.

    That is when the stage must be over, the request's deadline where it is None. Without any good candidate the wait
    lasts to its very end; with one, the time that the judge needs is kept back. Cancelling this function cancels every
    call that it started and waits for their end. ``sender`` tells how a seat is asked, None for as usual.
    """
    until = request.deadline if until is None else until
    loop = asyncio.get_running_loop()
    begin = loop.time()
    tasks: dict[asyncio.Task[Call], Seat] = {}
    finished: dict[asyncio.Task[Call], Call] = {}
    form, whole, good = Form(request.prompt) if stage.quorum is not None else None, 0, False
    reserve = stage.judge_reserve_s if stage.judge_reserve_s is not None else (until - begin) / 5
    quorum_at: float | None = None
    content = False
    try:
        for seat in seats:
            tasks[loop.create_task(_ask(request, stage, fleet, seat, index, purpose, seen, sender(seat)))] = seat
        bell, pending = _Bell(tasks), set(tasks)
        while pending and not content:
            limit = until - (reserve if stage.judge and good else 0.0)
            if quorum_at is not None:
                limit = min(limit, quorum_at + stage.grace_s)
            if limit <= loop.time():
                break
            await bell.rung(limit)
            ended = {task for task in pending if task.done()}
            pending -= ended
            for task in ended:
                finished[task] = call = task.result()
                good = good or call.good
                done(call)
            if quorum_at is None and stage.quorum is not None and form is not None:
                whole += sum([await _whole(finished[task], form) for task in ended])
                if whole >= stage.quorum:
                    quorum_at = loop.time()
            if ended and pending and enough is not None:
                content = enough(tuple(finished[task] for task in tasks if task in finished), len(pending))
        if pending and not good and until >= request.deadline:
            # They end by timers of their own, at the same moment; what became of each is to be told.
            for task in (await asyncio.wait(pending, timeout=ENDING_S))[0]:
                pending.discard(task)
                finished[task] = task.result()
                done(finished[task])
        late = {task: tasks[task] for task in pending}
        tasks = {task: seat for task, seat in tasks.items() if task in finished}
        return FanOut(tuple([finished[task] for task in tasks]), late)
    except BaseException:
        await cancel({task for task in tasks if not task.done()})
        raise


class _Bell:
    """Rung by each task that ends: ``asyncio.wait`` takes three times as long, as it turns to all of them each time."""

    def __init__(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None
        for task in tasks:
            task.add_done_callback(self._ring)

    async def rung(self, until: float) -> None:
        """Return when a task has ended since the last time, or when ``until`` has come on the loop's clock."""
        if not self._rung:
            self._waiter = waiter = self._loop.create_future()
            try:
                with Deadline(until):
                    await waiter
            except TimeoutError:
                pass
        self._rung = False

    def _ring(self, _: asyncio.Task[Any]) -> None:
        self._rung = True
        if self._waiter is not None:
            wake(self._waiter)


def wake(waiter: asyncio.Future[None]) -> None:
    """Let whoever awaits ``waiter`` go on, if it is still there."""
    if not waiter.done():
        waiter.set_result(None)


async def cancelled_by(tasks: "set[asyncio.Task[Call]]", deadline: float) -> "set[asyncio.Task[Call]]":
    """Cancel ``tasks`` and wait a moment for their end, not beyond ``deadline``; return those that are still at work.

    Who waits for an answer does not pay for a library that loses a cancellation. Somebody has to own the rest.
    """
    if not tasks:
        return set()
    for task in tasks:
        task.cancel()
    patience = min(PARTING_S, deadline - asyncio.get_running_loop().time())
    _, stubborn = await asyncio.wait(tasks, timeout=max(0.0, patience))
    return stubborn


async def cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel ``tasks`` and wait until each has ended; again each second, since a library can lose a cancellation.

    Cancelled itself meanwhile, it waits on, as ``asyncio.TaskGroup`` does, so that no task loses its owner.
    """
    waiting, cancelled = set(tasks), None
    while waiting:
        for task in waiting:
            task.cancel()
        try:
            _, waiting = await asyncio.wait(waiting, timeout=1)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _ask(
    request: Request,
    stage: Stage,
    fleet: Fleet,
    seat: Seat,
    index: int,
    purpose: Purpose,
    seen: Seen,
    send: Send | None,
) -> Coroutine[Any, Any, Call]:
    until = request.deadline + stage.straggler_s
    if stage.call_timeout_s is not None:
        until = min(until, asyncio.get_running_loop().time() + stage.call_timeout_s)
    member = fleet[seat.member]
    aim = _aim(
        purpose=purpose,
        candidate=seat.candidate,
        sample=seat.sample,
        stage=index,
        hedge=stage.hedge,
        strict=stage.strict_params,
    )
    prompt = prompt_of(request, stage, seat, member)
    return member.call(request, prompt, aim, seen=seen, until=until, send=send)


def prompt_of(request: Request, stage: Stage, seat: Seat, member: Member) -> Prompt:
    """The prompt of ``request`` as ``seat``, taken by ``member``, is asked it."""
    prompt = request.prompt
    if prompt.seed is not None and seat.sample:
        # Samples of one member under one seed would be the same answer paid several times.
        prompt = replace(prompt, seed=prompt.seed + seat.sample)
    return member.with_logprobs(prompt) if stage.logprobs else prompt


async def _whole(call: Call, form: Form) -> bool:
    """Whether a quorum may count a call: it is good, and of the form that was demanded."""
    said = call.completion
    if said is None or not call.good or not form.concerns(said):
        return call.good
    return await asyncio.to_thread(form.holds, said)
