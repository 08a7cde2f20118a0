"""What is wrong with the database file, in a sentence that says what to do."""

import os
import sqlite3
from pathlib import Path

from ensemble.errors import StoreError
from ensemble.store.address import Address
from ensemble.store.postgres.faults import RowFault, ServerFault, UndoneFault

__all__ = ["FAULTS", "ROW_FAULTS", "Refused", "UndoneFault", "explain", "identity"]


class Refused(StoreError):
    """The rows are at fault and not the file: writing them again or elsewhere would not help."""


FAULTS = (sqlite3.Error, ServerFault)
"""What the engines raise when a log cannot be read or written."""
ROW_FAULTS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    RowFault,
    OverflowError,
    TypeError,
    ValueError,
)
"""Errors that are the fault of one row, so that the other rows of its batch can still be written."""

_SENTENCES = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, writing then goes on by itself",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only; give this user the right to write to both",
    sqlite3.SQLITE_BUSY: "another process holds the write lock; end what is writing to it (a shell, an import)",
    sqlite3.SQLITE_LOCKED: "another connection holds a lock; end what is writing to it",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; stop, and restore a backup or run `sqlite3 FILE .recover`",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database; name another file in [store] or restore a backup",
    sqlite3.SQLITE_IOERR: "the disk reports an error or takes no more bytes; look at its health, quota and free space",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; see that its folder exists and this user may write there",
    sqlite3.SQLITE_PERM: "this user may not open the file; give it the right to read and write",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
}


_CLOSED = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
_BESIDE = (
    "its folder is read-only for this user, and even to read a log SQLite keeps two files beside it; give this user "
    "the right to write there, or copy the log, with its -wal where there is one, to a folder of your own and name that"
)


def barred(path: Path) -> str | None:
    """What keeps this user from a log at ``path``, made already or not, and what mends it; None where nothing does."""
    folder = path.absolute().parent
    if not folder.is_dir():
        return f"there is no folder {folder}; make it, or name a file elsewhere"
    if not os.access(folder, os.W_OK | os.X_OK):
        if os.access(path, os.F_OK):
            return _BESIDE
        return f"this user may not write to the folder {folder}; give it the right to, or name a file elsewhere"
    if os.access(path, os.F_OK) and not os.access(path, os.R_OK | os.W_OK):
        return "the file is read-only or closed for this user; give this user the right to read and write it"
    return None


def identity(path: Path) -> tuple[int, int]:
    """Which file stands at ``path``.

    A file that was moved or deleted under an open connection would take every row and keep none, so whoever is about to
    use a connection looks first; it costs about 2 us. Raises OSError where there is none.
    """
    status = path.stat()
    return status.st_dev, status.st_ino


def explain(error: Exception, path: Path | Address) -> str:
    """One sentence for the operator: which log, what is wrong with it, what to do."""
    if isinstance(error, FileNotFoundError):
        return f"{path}: the file is gone; put it back, or restart to begin a new one"
    if isinstance(error, ServerFault):
        return f"{path}: {error.sentence} ({error})" if error.sentence else f"{path}: {error}"
    code = getattr(error, "sqlite_errorcode", None)
    sentence = _SENTENCES.get(code & 0xFF) if isinstance(code, int) else None
    file = path if isinstance(path, Path) else path.file
    if isinstance(code, int) and code & 0xFF in _CLOSED and file:
        sentence = barred(file) or sentence
    return f"{path}: {sentence} ({error})" if sentence else f"{path}: {error}"
