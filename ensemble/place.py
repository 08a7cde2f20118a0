"""Which of the workers of one service this process is, and what only one of them may do at a time.

Workers are processes on one machine that one supervisor started; what they must agree on they do through the log, and
through a folder of the supervisor's, which ends with it. A service of one process is the first of one worker.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A worker among its like: ``number`` from 1 to ``of``; ``folder`` is what they share, None for a process alone.

    Their locks are those of the kernel, so they are free again the moment that their holder dies.
    """

    number: int = 1
    of: int = 1
    folder: Path | None = None
    _lead: list[int] = field(default_factory=list, repr=False, compare=False)

    def leads(self) -> bool:
        """Whether this worker does what is done once for all of them; once it does, it does until it ends.

        The first one that asks does, and whoever asks next when that one has ended.
        """
        if self.folder is None or self._lead:
            return True
        try:
            file = _locked(self.folder / "lead")
        except OSError as error:
            # Rather by all of them than by none: what is done is safe to do twice, by leases in the log.
            log.warning("who leads cannot be known, so this worker does: %s", error)
            return True
        if file is None:
            return False
        self._lead.append(file)
        return True

    @contextmanager
    def alone(self, what: str) -> Iterator[bool]:
        """Whether no other worker is at ``what`` now, which is a short name; it stays so until the context ends."""
        if self.folder is None:
            yield True
            return
        try:
            file = _locked(self.folder / f"alone-{os.fsencode(what).hex()[:200]}")
        except OSError as error:
            log.warning("whether another worker does the same cannot be known: %s", error)
            yield True
            return
        try:
            yield file is not None
        finally:
            if file is not None:
                os.close(file)

    def share(self, limit: float) -> float:
        """The part of a rate, such as a limit per minute, that this worker may use."""
        return limit / self.of

    def seats(self, limit: int) -> int:
        """The part of a whole number, such as of calls in flight; the parts of all workers are ``limit`` together."""
        return limit // self.of + (self.number <= limit % self.of)


PLACE: ContextVar[Place] = ContextVar("place", default=Place())  # noqa: B039 - what it holds is never changed there
"""This process. A context variable, so that a test may be several."""


def _locked(path: Path) -> int | None:
    """The open file at ``path`` with a lock on it; None where somebody else has it."""
    file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    except BaseException:
        os.close(file)
        raise
    return file
