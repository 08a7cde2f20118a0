"""A limit of time around awaiting, for half of what ``asyncio.timeout_at`` costs: an answer is made under eight."""

import asyncio
import math
from contextvars import Context
from types import TracebackType
from typing import Self

_NEAR_S = 1.0
"""What ends sooner has a timer of its own."""


class _Far:
    """The blocks of one event loop that end later, which one timer watches over.

    It gives each a timer of its own when its end is near. Hardly a block lasts until then, and a timer that is set and
    cancelled takes 8,000 instructions.
    """

    __slots__ = ("blocks", "loop", "watched")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.blocks: dict[Deadline, None] = {}
        self.watched = False

    def watch(self) -> None:
        """Look soon. Of no context, since it outlives the block that asks for it."""
        self.watched = True
        self.loop.call_later(_NEAR_S / 2, self._look, context=Context())

    def _look(self) -> None:
        self.watched = False
        until = self.loop.time() + _NEAR_S
        for block in [one for one in self.blocks if one.ends_by(until)]:
            del self.blocks[block]
            block.arm()
        if self.blocks:
            self.watch()


_far: _Far | None = None
"""Of the loop that was the last to ask. Loops that take turns have several each, which only share less."""


def _far_of(loop: asyncio.AbstractEventLoop) -> _Far:
    global _far
    _far = _Far(loop)
    return _far


class Deadline:
    """A block that ends with ``TimeoutError`` at ``when``, on the event loop's clock; None for never.

    As ``asyncio.Timeout`` does it: the task that is in the block is cancelled, and a cancellation from elsewhere stays
    one. What is saved are two coroutines, an enumeration of states and the checks that a block is used but once.
    """

    __slots__ = ("_before", "_came", "_far", "_task", "_timer", "_when")

    def __init__(self, when: float | None) -> None:
        self._when = math.inf if when is None else when
        self._came = False
        self._timer: asyncio.Handle | None = None
        self._far: _Far | None = None

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline is for a task")
        self._task: asyncio.Task[object] = task
        self._before = task.cancelling()
        if self._when != math.inf:
            self.move(self._when)
        return self

    def move(self, when: float) -> None:
        """End at ``when`` instead. Only inside of the block."""
        if self._came:
            return
        self._when = when
        loop = self._task.get_loop()
        if when - loop.time() <= _NEAR_S:
            self._leave()
            self.arm()
        elif self._far is None:
            if self._timer is not None:
                self._leave()
            far = _far
            if far is None or far.loop is not loop:
                far = _far_of(loop)
            far.blocks[self] = None
            self._far = far
            if not far.watched:
                far.watch()

    def ends_by(self, when: float) -> bool:
        """Whether the block's end is not later than ``when``."""
        return self._when <= when

    def arm(self) -> None:
        """Set a timer for the end; nothing else watches over it any more."""
        self._far = None
        # A time that has come is not told before the next turn of the loop: who has a result by then may give it.
        self._timer = self._task.get_loop().call_at(self._when, self._end)

    def _leave(self) -> None:
        if self._far is not None:
            del self._far.blocks[self]
            self._far = None
        elif self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        self._timer = None
        self._came = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()
        # Nobody else has cancelled the task: then this is what has.
        if self._came and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from raised
