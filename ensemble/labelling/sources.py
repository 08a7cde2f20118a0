"""Where prompts come from: JSON lines, CSV, Parquet or a data-set folder, read one row at a time."""

import codecs
import csv
import gzip
import io
import re
import sys
from collections.abc import Generator, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, cast

import orjson

from ensemble.errors import InvalidRequest
from ensemble.labelling.rows import MOST_KEPT, Reject

Format = Literal["jsonl", "csv", "parquet", "arrow"]
Raw = tuple[int, object] | Reject
"""A row with its position, not yet understood."""
SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
MOST_LINE = 64_000_000
"""Bytes of one line; a longer one is a reject, so that a file without line ends does not fill the memory."""
BATCH = 256
"""Rows of a columnar file that are held at once."""
_HEAD = 65_536
_ARRAY = re.compile(rb"\s*\[\s*(\{|$)")
_HALF = re.compile("[\ud800-\udfff]")
_END = "\udc00"
"""Stands behind the last line of a CSV file, whose decoding never makes this half of a pair."""


class BadSource(InvalidRequest):
    """A file of prompts that cannot be read; the sentence says why and what would do."""


def format_of(path: Path) -> Format | None:
    """The format that a file's name tells, or None."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1]) if suffixes else None


def rows_of_file(path: Path, kind: Format | None = None) -> Generator[Raw, None, None]:
    """Every row of one file, in order. Blocks; closing the iterator closes the file.

    Raises:
        BadSource: the file cannot be read, or its format is none of ours.
    """
    kind = kind or format_of(path)
    if kind is None:
        raise BadSource(
            f"{path}: its name does not tell its format; known are {', '.join(SUFFIXES)}, with or without .gz"
        )
    try:
        if kind == "parquet":
            yield from _parquet(path)
        elif kind == "arrow":
            yield from _arrow(path)
        else:
            with _opened(path) as file:
                head = _head(file, path, kind)
                yield from _csv(file, path, head) if kind == "csv" else lines(file)
    except (OSError, EOFError) as error:
        raise BadSource(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def standard_input() -> Generator[Raw, None, None]:
    """JSON lines from standard input."""
    return lines(sys.stdin.buffer)


def lines(file: IO[bytes]) -> Generator[Raw, None, None]:
    """The rows of JSON lines; empty lines are none, and what is no JSON is a reject."""
    position = 0
    while line := file.readline(MOST_LINE + 1):
        position += 1
        if len(line) > MOST_LINE:
            yield Reject(position=position, reason=f"the line is longer than {MOST_LINE:,} bytes")
            while line and not line.endswith(b"\n"):
                line = file.readline(MOST_LINE)
            continue
        if position == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line.strip():
            continue
        try:
            yield position, orjson.loads(line)
        except orjson.JSONDecodeError as error:
            text = line[:MOST_KEPT].decode("utf-8", "replace").rstrip("\n")
            yield Reject(position=position, reason=f"the line is not JSON: {error}", text=text)


def _opened(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    return path.open("rb")


def _head(file: BinaryIO, path: Path, kind: Format) -> bytes:
    """The first line of ``file``, as far as its buffer holds it, without moving on.

    Raises:
        BadSource: not a row of it could be read, and it is plain what would do.
    """
    head = bytes(cast("io.BufferedReader", file).peek(_HEAD))
    if head.startswith(b"\x1f\x8b"):  # ``file`` would have unpacked it, had its name ended with .gz
        raise BadSource(f"{path}: it is packed by gzip, which its name has to say: {path.name}.gz")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BadSource(f"{path}: it is UTF-16, not UTF-8; iconv -f UTF-16 -t UTF-8 {path.name} makes it so")
    if kind == "jsonl" and _ARRAY.match(head.removeprefix(codecs.BOM_UTF8)):
        raise BadSource(f"{path}: it is one array, not a row on each line; jq -c '.[]' {path.name} makes it so")
    return head.partition(b"\n")[0]


def _csv(file: BinaryIO, path: Path, head: bytes) -> Iterator[Raw]:
    csv.field_size_limit(MOST_LINE)
    between = "\t" if any(suffix.lower() == ".tsv" for suffix in path.suffixes) else ","
    if b"," not in head and b";" in head:  # as spreadsheets write it where the comma is in numbers
        between = ";"
    with io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        rows = _closed(text, between, path)
        _, names = next(rows, (1, []))
        if not _is_text(names):
            raise BadSource(f"{path}: the names of its columns are not UTF-8, so its rows will not be either")
        if len(set(names)) < len(names):
            raise BadSource(f"{path}: two columns have the same name")
        for line, cells in rows:
            if cells:
                yield _cells(line, names, cells)


def _closed(text: Iterable[str], between: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The cells of every row with its first line.

    Raises:
        BadSource: a cell is too long, or has taken in the rest of the file.
    """
    reader = csv.reader(chain(text, [_END]), delimiter=between)
    line = 1
    try:
        for cells in reader:
            if cells == [_END]:
                return
            if cells and cells[-1].endswith(_END):
                raise BadSource(
                    f"{path}: line {line}: a quotation mark opens a cell there that none closes, so it holds the rest "
                    "of the file; close it, or double it where it is part of a text"
                )
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadSource(f"{path}: line {reader.line_num}: {error}") from error


def _cells(line: int, names: list[str], cells: list[str]) -> Raw:
    if len(cells) != len(names):
        told = f"there are {len(cells)} cells for {len(names)} columns"
    elif not _is_text(cells):
        told = "the row is not UTF-8"
    else:
        return line, dict(zip(names, cells, strict=True))
    return Reject(position=line, reason=told, text=",".join(cells)[:MOST_KEPT].encode("utf-8", "replace").decode())


def _is_text(cells: list[str]) -> bool:
    """Whether ``cells`` were UTF-8: what is not was read as half a surrogate pair."""
    return all(cell.isascii() or _HALF.search(cell) is None for cell in cells)


def _parquet(path: Path) -> Iterator[Raw]:
    arrow = _pyarrow(path)
    try:
        file = arrow.parquet.ParquetFile(path)
        position = 0
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(batch_size=BATCH, row_groups=[group]):
                yield from _of_batch(batch, position + 1)
                position += batch.num_rows
    except arrow.ArrowInvalid as error:
        raise BadSource(f"{path}: is no Parquet file: {str(error).splitlines()[0]}") from error


def _arrow(path: Path) -> Iterator[Raw]:
    arrow = _pyarrow(path)
    try:
        with arrow.memory_map(str(path)) as mapped, arrow.ipc.open_stream(mapped) as stream:
            position = 0
            for batch in stream:
                for at in range(0, batch.num_rows, BATCH):
                    part = batch.slice(at, BATCH)
                    yield from _of_batch(part, position + 1)
                    position += part.num_rows
    except arrow.ArrowInvalid as error:
        raise BadSource(f"{path}: is no Arrow stream: {str(error).splitlines()[0]}") from error


def _of_batch(batch: Any, first: int) -> Iterator[Raw]:
    """The rows of ``batch``; Arrow does not look whether a text is UTF-8 before it is read."""
    try:
        rows = batch.to_pylist()
    except UnicodeDecodeError:
        if batch.num_rows == 1:
            yield Reject(position=first, reason="the row is not UTF-8")
            return
        for at in range(batch.num_rows):
            yield from _of_batch(batch.slice(at, 1), first + at)
    else:
        yield from enumerate(rows, first)


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError:
        raise BadSource(f"{path}: reading it needs pyarrow: pip install 'ensemble-judges[parquet]'") from None
    return pyarrow


def open_source(name: str, kind: str | None = None) -> Generator[Raw, None, None]:
    """The rows of a file; ``-`` is standard input. Raises as ``rows_of_file`` does, with the first row."""
    if name == "-":
        return standard_input()
    path = Path(name)
    if not path.exists():
        raise BadSource(f"{name}: there is no such file")
    return rows_of_file(path, cast("Format | None", kind))
