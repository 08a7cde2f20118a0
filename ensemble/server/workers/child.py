"""One worker as its supervisor sees it: a process, and what it says."""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from ensemble.server.workers.terms import ENDING, GO, READY, RETIRE, STOP, Post

log = logging.getLogger(__name__)

START_S = 300.0
"""Most seconds until a worker could serve; a large log may have to be brought up to date."""
DRAIN_S = 20.0
"""Seconds that one which has not said otherwise gets to end."""
CLOSING_S = 75.0
"""Seconds beyond those: connections are closed then, and the log may take a minute to write what is queued."""


class NotReady(Exception):
    """A worker ended, or took too long, before it could serve."""


class Child:
    """A process that serves, or will; it ends when its channel closes."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        post: Post,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.number, self.slot = post.number, post.slot
        self._process, self._writer = process, writer
        self._ready, self._went = asyncio.Event(), time.monotonic()
        self._patience_s, self._told = DRAIN_S, False
        self._listening = asyncio.get_running_loop().create_task(self._listen(reader))
        self._over = asyncio.get_running_loop().create_task(process.wait())

    @classmethod
    async def start(cls, command: Sequence[str], post: Post, channel: socket.socket) -> Self:
        """Start ``command`` at ``post``; ``channel`` is this end of the pair of sockets. Raises OSError."""
        process = await asyncio.create_subprocess_exec(
            *command,
            post.model_dump_json(),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(post.channel, *post.sockets),
            # A group of its own, so that Ctrl-C in a terminal comes to the supervisor alone.
            process_group=0,
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(post.folder)},
        )
        reader, writer = await asyncio.open_connection(sock=channel)
        return cls(process, post, reader, writer)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while words := (await reader.readline()).decode().split():
                if words[0] == READY:
                    self._ready.set()
                elif words[0] == ENDING:
                    self._patience_s = float(words[1])

    async def ready(self) -> None:
        """Return when it could serve. Raises NotReady."""
        ready = asyncio.get_running_loop().create_task(self._ready.wait())
        try:
            await asyncio.wait([ready, self._over], timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if not self._ready.is_set():
            told = self.told() if self._over.done() else f"not ready after {START_S:g} s"
            raise NotReady(f"worker {self.number} did not start: {told}; what it said is above")

    def go(self) -> None:
        """Let it serve."""
        self._went = time.monotonic()
        self._say(GO)

    def retire(self) -> None:
        """Let it end; another one is ready to take its place."""
        self._told = True
        self._say(RETIRE)

    def _say(self, word: str) -> None:
        with suppress(ConnectionError):
            self._writer.write(f"{word}\n".encode())

    def age_s(self) -> float:
        """Seconds since it began to serve."""
        return time.monotonic() - self._went

    async def ended(self) -> None:
        """Return when the process has ended."""
        await asyncio.wait([self._over])

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def end(self) -> None:
        """Have it end, by SIGKILL where it takes longer than it said, and hang up."""
        if not self._told:
            self._told = True
            if self._ready.is_set():
                # No signal: who stops a service (systemd does) may have sent one to every process of it, and the second
                # one ends a process at once.
                self._say(STOP)
            else:
                self._signal(signal.SIGTERM)
        begun = time.monotonic()
        while not self._over.done():
            # Looked at again and again, since it says how long it takes only after it was told to end.
            left = begun + self._patience_s + CLOSING_S - time.monotonic()
            if left <= 0:
                log.error("worker %d is killed: it should have ended %g s ago", self.number, CLOSING_S)
                self._signal(signal.SIGKILL)
            await asyncio.wait([self._over], timeout=min(1.0, max(0.0, left)) or None)
        self._writer.close()
        await asyncio.wait([self._listening])

    def told(self) -> str:
        """How it ended."""
        status = self._process.returncode
        if status is None:
            return "it runs"
        return f"exit status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"
