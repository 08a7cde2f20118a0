"""One process a run: two would ask, and pay, for the same calls."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ensemble.errors import EnsembleError
from ensemble.labelling.rejects import beside
from ensemble.store.address import Where


@contextmanager
def alone(log: Where, run: str) -> Iterator[None]:
    """Keep other processes of this machine from the run called ``run`` over ``log`` until the context ends.

    The lock is the kernel's, so it is free the moment that its holder dies; the file goes with a holder that ends.

    Raises:
        EnsembleError: another process is at it, or no file can be made beside the log.
    """
    path = beside(log, run, "run", ".lock")
    try:
        file = _locked(path)
    except BlockingIOError:
        again = "what it does would be paid twice; give the same command again once it has ended"
        raise EnsembleError(f"run {run} is under way in {_holder(path)}, and {again}") from None
    except OSError as error:
        raise EnsembleError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def _locked(path: Path) -> int:
    """The open file at ``path``, locked. Raises BlockingIOError where somebody else has it."""
    while True:
        file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):  # its holder ended in between and took the file away
                if os.path.samestat(os.fstat(file), path.stat()):
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _holder(path: Path) -> str:
    try:
        return f"process {int(path.read_text())}"
    except (OSError, ValueError):
        return "another process"
