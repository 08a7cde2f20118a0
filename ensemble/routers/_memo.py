"""What was found out once: a bounded memory in which equal questions under way share one answer."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Memo(Generic[T]):
    """Values by key, the least recently used forgotten first; for one event loop."""

    def __init__(self, size: int, keep: Callable[[T], bool]) -> None:
        """Remember up to ``size`` values, those for which ``keep`` holds."""
        self._size, self._keep = size, keep
        self._known: OrderedDict[str, T] = OrderedDict()
        self._under_way: dict[str, asyncio.Future[T]] = {}

    async def get(self, key: str, make: Callable[[], Awaitable[T]]) -> T:
        """The value of ``key``, made now where it is not known; who asks meanwhile waits for the same value.

        Where the one who makes it is cancelled or fails, one of those who wait makes it.
        """
        while (other := self._under_way.get(key)) is not None:
            await asyncio.wait({other})  # unlike an await of the future, it does not cancel it with the one who waits
            if not other.cancelled():
                return other.result()
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        mine = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            value = await make()
            mine.set_result(value)
        finally:
            del self._under_way[key]
            mine.cancel()  # does nothing where there is a value
        if self._keep(value):
            self._known[key] = value
            while len(self._known) > self._size:
                self._known.popitem(last=False)
        return value
