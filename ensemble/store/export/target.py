"""Where an export goes: standard output, one file, or a folder of shards that appears whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ensemble.errors import StoreError
from ensemble.store.export.fields import Field, Row, flat
from ensemble.store.export.writers import WRITERS, Kind, Output, Sink, Writer

MANIFEST = "manifest.json"
CARD = "README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One file that was written."""

    path: str
    split: str
    rows: int
    bytes: int
    sha256: str


@dataclass(slots=True, kw_only=True)
class Shards:
    """Rows of one split into one file or several; each further file begins after ``most`` rows."""

    kind: Kind
    fields: Sequence[Field]
    most: int | None = None
    _files: list[Written] = field(default_factory=list)

    def one(self, output: Output, name: str, split: str, rows: Iterator[Row]) -> int:
        """Write ``rows`` to ``output`` until they end or the file is full; returns how many they were."""
        sink = Sink(output)
        writer: Writer = WRITERS[self.kind](sink, self.fields if self.kind != "csv" else flat(self.fields))
        count = 0
        while count != self.most and (row := next(rows, None)) is not None:
            writer.write({column.name: row[column.name] for column in self.fields})
            count += 1
        writer.close()
        self._files.append(Written(path=name, split=split, rows=count, bytes=sink.size, sha256=sink.sha256))
        return count

    def folder(self, folder: Path, split: str, rows: Iterator[Row]) -> None:
        """Write ``rows`` as ``data/SPLIT-00000-of-00003.KIND`` and so on."""
        begin, full = len(self._files), True
        while full:
            name = f"{len(self._files) - begin:05d}"
            with private(folder / "data" / f".{name}") as file:
                full = self.one(file, name, split, rows) == self.most
        files = self._files[begin:]
        # Where the last file was full to the row, the one after it is empty.
        if len(files) > 1 and files[-1].rows == 0:
            (folder / "data" / f".{files.pop().path}").unlink()
        for number, one in enumerate(files):
            path = f"data/{split}-{number:05d}-of-{len(files):05d}.{self.kind}"
            os.replace(folder / "data" / f".{one.path}", folder / path)
            files[number] = Written(path=path, split=split, rows=one.rows, bytes=one.bytes, sha256=one.sha256)
        self._files[begin:] = files

    @property
    def files(self) -> tuple[Written, ...]:
        """What was written so far."""
        return tuple(self._files)


@contextmanager
def private(path: Path) -> Iterator[IO[bytes]]:
    """A new file that its owner alone can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        yield file


@contextmanager
def new_file(path: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """A file that takes its name when it is whole; what fails leaves nothing behind.

    Raises:
        StoreError: the file is there and ``force`` is not given, or it cannot be written.
    """
    if path.exists() and not force:
        raise StoreError(f"{path} is there already; name another, or replace it with --force")
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with private(partial) as file:
            yield file
        os.replace(partial, path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, *, force: bool) -> Iterator[Path]:
    """A folder that takes its name when it is whole; what fails leaves nothing behind.

    Raises:
        StoreError: there is something of that name that is not an earlier export, or is one and ``force`` is not given;
            or it cannot be written.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        if not (path / MANIFEST).is_file() or not (path / CARD).is_file():
            raise StoreError(f"{path} is there already and is no earlier export; name another folder")
        if not force:
            raise StoreError(f"{path} holds an earlier export; name another folder, or replace it with --force")
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.partial-", dir=path.absolute().parent))
        try:
            (partial / "data").mkdir(mode=0o700)
            yield partial
            if path.exists():
                shutil.rmtree(path)
            os.replace(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror or error}") from error
