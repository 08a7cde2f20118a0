"""Where records go while the log cannot be written, if it is so configured: a file of JSON lines, taken in later.

A line is durable before the answer leaves. Lines are taken in in order, each exactly once: what is in the log already,
by its ids, is passed over, so that a crash at any moment does no harm. What cannot be read is kept aside and reported.
"""

import fcntl
import json
import logging
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensemble.errors import StoreError
from ensemble.store.database import Database
from ensemble.store.faults import ROW_FAULTS
from ensemble.store.room import prove_room
from ensemble.store.rows import COLUMNS, Rows
from ensemble.types import RequestId

log = logging.getLogger(__name__)

BATCH = 100
"""Lines per transaction."""


@dataclass(slots=True)
class Taken:
    """What came of a spill file: lines written to the log, lines that were in it already, lines kept aside."""

    written: int = 0
    known: int = 0
    aside: int = 0

    def __add__(self, other: "Taken") -> "Taken":
        return Taken(self.written + other.written, self.known + other.known, self.aside + other.aside)


class Spill:
    """The file at ``path``, readable by its owner alone. Blocking; one thread at a time.

    Who appends holds a lock on the file itself, who takes in holds one on ``FILE.lock`` besides, since a service and a
    command may both want to: the file is theirs alone until they are done.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._taking = path.with_name(f"{path.name}.taking")
        self.aside = path.with_name(f"{path.name}.aside")
        self._lock = path.with_name(f"{path.name}.lock")

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that are there and hold records."""
        return tuple(file for file in (self._taking, self.path, self.aside) if file.is_file())

    @property
    def pending(self) -> bool:
        """There is something to take in."""
        return self.path.exists() or self._taking.exists()

    def append(self, rows: Rows) -> None:
        """Write one record; when this returns, it is on the disk. Raises StoreError, and then nothing was written."""
        line = json.dumps(_plain(rows), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        try:
            with _own(self.path) as file:
                end = os.lseek(file, 0, os.SEEK_END)
                try:
                    _write_all(file, line)
                    os.fsync(file)
                except OSError:
                    os.ftruncate(file, end)
                    raise
        except OSError as error:
            raise StoreError(f"{self.path}: neither the log nor the spill file takes it: {error.strerror}") from error

    def prove(self) -> None:
        """Raise StoreError if nothing could be appended."""
        try:
            with _own(self.path) as file:
                os.fsync(file)
        except OSError as error:
            raise StoreError(
                f"{self.path}: neither the log nor the spill file can be written: {error.strerror}"
            ) from error
        prove_room(self.path)

    def batches(self, *, wait: bool = False) -> Generator[list[bytes], None, None]:
        """The lines to take in, oldest first, ``BATCH`` at a time; the file goes when all were taken by the caller.

        Where another process takes in already: ``wait`` for it, or raise BlockingIOError.
        """
        with self.held(wait=wait):
            yield from self._batches()

    @contextmanager
    def held(self, *, wait: bool = True) -> Iterator[None]:
        """Alone with what is to be taken in and what is kept aside; records are appended meanwhile as ever."""
        with _own(self._lock, wait=wait):
            try:
                yield
            finally:
                self._lock.unlink()

    def _batches(self) -> Iterator[list[bytes]]:
        while True:
            if not self._taking.exists():
                if not self.path.exists():
                    return
                os.rename(self.path, self._taking)
            with self._taking.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # waits for a line that is being written
                batch: list[bytes] = []
                for line in file:
                    batch.append(line)
                    if len(batch) == BATCH:
                        yield batch
                        batch = []
                if batch:
                    yield batch
            self._taking.unlink()

    def keep_aside(self, line: bytes, why: str) -> None:
        """Keep a line that cannot be taken in, and say so."""
        with os.fdopen(os.open(self.aside, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "wb") as file:
            file.write(line.rstrip(b"\n") + b"\n")
            file.flush()
            os.fsync(file.fileno())
        log.error("%s: a line cannot be taken in and is kept in %s: %s", self.path, self.aside, why)


@contextmanager
def _own(path: Path, *, wait: bool = True) -> Iterator[int]:
    """The file at ``path``, open for appending and locked; made where it is missing.

    Whoever had the lock before may have moved the file away or removed it: then it is opened anew.
    """
    while True:
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _stands_at(path, file):
                yield file
                return
        finally:
            os.close(file)


def _stands_at(path: Path, file: int) -> bool:
    """Whether ``path`` still names the open ``file``; asked once, since it may be moved between two questions."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(file))


def take(db: Database, lines: list[bytes], write: Callable[[Database, Rows], object], spill: Spill) -> Taken:
    """Write ``lines`` to the log, in a transaction of ``db``."""
    taken = Taken()
    for line in lines:
        try:
            rows = _rows(line)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            spill.keep_aside(line, f"it is no whole record ({type(error).__name__})")
            taken.aside += 1
            continue
        if _known(db, rows):
            taken.known += 1
            continue
        db.conn.execute("SAVEPOINT spilled")
        try:
            write(db, rows)
            taken.written += 1
        except ROW_FAULTS as error:
            db.conn.execute("ROLLBACK TO spilled")
            spill.keep_aside(line, str(error))
            taken.aside += 1
        db.conn.execute("RELEASE spilled")
    return taken


def _plain(rows: Rows) -> dict[str, object]:
    return {
        "v": 1,
        "request": rows.request,
        "router": rows.router,
        "day": rows.day,
        "overturned": rows.overturned,
        "settled": rows.settled,
        "review": rows.review,
        "begun": rows.begun,
        "tables": {
            name: {"columns": COLUMNS[name], "rows": own} for name, own in rows.tables.items() if own
        },
    }  # fmt: skip


def _rows(line: bytes) -> Rows:
    """The record of a line, whose columns may be fewer than those of today.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, RecursionError: it is no whole record.
    """
    tree: dict[str, Any] = json.loads(line)
    if tree["v"] != 1:
        raise ValueError("a newer version of this program wrote it")
    rows = Rows(
        RequestId(tree["request"]),
        router=tree["router"],
        day=tree["day"],
        overturned=tree["overturned"],
        settled=tuple(tree["settled"]),
        review=tree.get("review"),
        begun=tree.get("begun", False),
    )
    for name, table in tree["tables"].items():
        for values in table["rows"]:
            known = dict(zip(table["columns"], values, strict=True))
            rows.tables[name].append(tuple(known.get(column) for column in COLUMNS[name]))
    return rows


def _known(db: Database, rows: Rows) -> bool:
    if rows.tables["requests"]:
        row = db.execute("SELECT status FROM requests WHERE id = ?", [rows.request]).fetchone()
        return row is not None and not (rows.begun and row[0] == "streaming")
    for table in ("calls", "verdicts"):
        at = COLUMNS[table].index("id")
        for row in rows.tables[table]:
            sql = f"SELECT 1 FROM {table} WHERE request_id = ? AND id = ?"  # noqa: S608 - own names
            return db.execute(sql, [rows.request, row[at]]).fetchone() is not None
    return not rows.settled  # money is given back once, however often it is told


def _write_all(file: int, line: bytes) -> None:
    while line:
        line = line[os.write(file, line) :]
