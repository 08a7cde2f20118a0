"""A limiter, the calls that wait for it, and a clock that an hour of waiting costs nothing."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

from ensemble.limits import Limiter, Slot


class JumpingSelector(selectors.SelectSelector):
    """Never waits: the time that it was to wait passes at once."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.passed += timeout or 0.0
        return super().select(0)


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in which an hour of waiting takes no time."""

    def __init__(self) -> None:
        self.jumping = JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.passed


def in_fake_time(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        runner.run(story())


def a_limiter(
    *,
    requests: float | None = None,
    tokens: float | None = None,
    in_flight: int | None = None,
    period_s: float = 60.0,
) -> Limiter:
    return Limiter(requests_per_minute=requests, tokens_per_minute=tokens, max_in_flight=in_flight, period_s=period_s)


async def settled() -> None:
    """Let every task run until it waits for something."""
    for _ in range(20):
        await asyncio.sleep(0)


class Calls:
    """Calls that note when they started and that end when they are told to."""

    def __init__(self, limiter: Limiter, group: asyncio.TaskGroup) -> None:
        self.limiter = limiter
        self.group = group
        self.started: list[tuple[int, float]] = []
        self.slots: dict[int, Slot] = {}
        self.tasks: list[asyncio.Task[None]] = []
        self._ends: dict[int, asyncio.Event] = {}

    def begin(self, number: int, tokens: int = 1) -> None:
        self._ends[number] = asyncio.Event()
        self.tasks.append(self.group.create_task(self._run(number, tokens)))

    async def _run(self, number: int, tokens: int) -> None:
        with await self.limiter.turn(tokens) as slot:
            self.started.append((number, asyncio.get_running_loop().time()))
            self.slots[number] = slot
            await self._ends[number].wait()

    def end(self, *numbers: int) -> None:
        for number in numbers or tuple(self._ends):
            self._ends[number].set()

    @property
    def order(self) -> list[int]:
        return [number for number, _ in self.started]
