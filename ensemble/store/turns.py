"""Whose turn it is to write, where several workers write one file: a queue in the kernel.

SQLite lets writers wait by asking again and again, less and less often, so whoever has waited longest asks least. Four
processes that wrote as fast as they could waited 63 to 184 ms in one of a hundred cases, and one wrote twice as much as
another; in a queue it was 26 to 47 ms, and each wrote the same.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def turn(path: Path | None, patience_s: float) -> Iterator[None]:
    """Be the only one here, by a lock on the file at ``path``; nobody needs it where that is None.

    After ``patience_s`` seconds nobody waits any longer, and where the file cannot be opened nobody waits at all: the
    lock of the database decides then, whose error says what to do.
    """
    ticket = None
    if path is not None:
        with suppress(OSError):
            ticket = _Ticket(path)
    if ticket is None:
        yield
        return
    try:
        ticket.wait(patience_s)
        yield
    finally:
        ticket.drop()


class _Ticket:
    """One wait for the lock. Its file is open for it alone, and closing that gives the lock back."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        self._state, self._mine, self._over = threading.Lock(), threading.Event(), False

    def wait(self, patience_s: float) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._mine.set()
        except BlockingIOError:
            # The kernel has no wait that ends by itself, so somebody else waits, and may be left waiting.
            threading.Thread(target=self._queue, name="ensemble-store-turn", daemon=True).start()
            self._mine.wait(patience_s)

    def _queue(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        with self._state:
            self._mine.set()
            if self._over:
                os.close(self._file)

    def drop(self) -> None:
        with self._state:
            self._over = True
            if self._mine.is_set():
                os.close(self._file)
