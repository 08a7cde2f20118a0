"""Whether a disk has room for another record."""

from pathlib import Path
from tempfile import TemporaryFile

from ensemble.errors import StoreError

ROOM = 256 * 1024
"""Bytes; what a request with a few long answers and its verdict takes, indexes included."""


def prove_room(log: Path) -> None:
    """Write as much beside ``log`` as a record takes, and drop it: a full disk may still take the page of a ping.

    Raises:
        StoreError: it was not taken.
    """
    try:
        with TemporaryFile(dir=log.absolute().parent) as file:
            file.write(bytes(ROOM))
            file.flush()
    except OSError as error:
        told = f"the disk takes no further record ({error.strerror}); free some space, writing then goes on by itself"
        raise StoreError(f"{log}: {told}") from error
