"""How long a server may be silent, watched by one timer a connection.

aiohttp cancels its timer and makes a new one with every piece that it receives: three for a call, hundreds for a
stream. Here a piece only says until when there may be silence, and the timer looks at that when it rings.
"""

import asyncio
from contextvars import Context

from aiohttp.client_proto import ResponseHandler


class Handler(ResponseHandler):
    """aiohttp's connection, with the limit of silence (``sock_read``) as above."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._until: float | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._nobody = Context()  # a timer outlives the request in which it is set, whose context leads to its body

    def _reschedule_timeout(self) -> None:
        if not self._read_timeout:
            self._until = None
            return
        self._until = until = self._loop.time() + self._read_timeout
        if self._watch is not None:
            if self._watch.when() <= until:
                return
            self._watch.cancel()
        self._watch = self._loop.call_at(until, self._look, context=self._nobody)

    def _drop_timeout(self) -> None:
        self._until = None

    def _look(self) -> None:
        self._watch = None
        if self._until is None:
            return
        if self._loop.time() >= self._until:
            self._on_read_timeout()
        else:
            self._watch = self._loop.call_at(self._until, self._look, context=self._nobody)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on reading, where reading was paused: aiohttp asks for it after every piece that is taken."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end: nothing is watched any more, and no timer keeps what it would look at."""
        super().connection_lost(exc)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
