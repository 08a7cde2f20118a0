"""A limit of time around awaiting, for half of what ``asyncio.timeout_at`` costs: an answer is made under eight."""

import asyncio
from types import TracebackType
from typing import Self


class Deadline:
    """A block that ends with ``TimeoutError`` at ``when``, on the event loop's clock; None for never.

    As ``asyncio.Timeout`` does it: the task that is in the block is cancelled, and a cancellation from elsewhere stays
    one. What is saved are two coroutines, an enumeration of states and the checks that a block is used but once.
    """

    __slots__ = ("_before", "_came", "_task", "_timer", "_when")

    def __init__(self, when: float | None) -> None:
        self._when = when
        self._came = False
        self._timer: asyncio.Handle | None = None

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline is for a task")
        self._task: asyncio.Task[object] = task
        self._before = task.cancelling()
        if self._when is not None:
            self.move(self._when)
        return self

    def move(self, when: float) -> None:
        """End at ``when`` instead. Only inside of the block."""
        if self._timer is not None:
            self._timer.cancel()
        elif self._came:
            return
        loop = self._task.get_loop()
        # A time that has come is not told before the next turn of the loop: who has a result by then may give it.
        self._timer = loop.call_at(when, self._end)
        self._when = when

    def _end(self) -> None:
        self._timer = None
        self._came = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # Nobody else has cancelled the task: then this is what has.
        if self._came and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from raised
