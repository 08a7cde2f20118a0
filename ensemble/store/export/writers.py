"""Rows into bytes: JSON lines, CSV or Parquet, with the SHA-256 of what was written; equal rows give equal bytes."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

import orjson

from ensemble.errors import StoreError
from ensemble.store.export.cells import quoted
from ensemble.store.export.fields import Field, Row, arrow_schema

Kind = Literal["jsonl", "csv", "parquet"]
KINDS: tuple[Kind, ...] = ("jsonl", "csv", "parquet")
GROUP_ROWS = 1000
"""Most rows of a row group of Parquet, which is what is held in memory."""
GROUP_BYTES = 16_000_000
"""About the most bytes of text in a row group."""
_HALF = re.compile("[\ud800-\udfff]")


class Output(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> Any:
        """Take ``data``."""
        ...


class Sink:
    """Passes bytes on to a file, and counts and hashes them on their way; enough of a file for pyarrow."""

    closed = False

    def __init__(self, output: Output) -> None:
        self._output, self._hash, self.size = output, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        """Take ``data``."""
        self._output.write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        """How many bytes were taken."""
        return self.size

    def flush(self) -> None:
        """Nothing is held back here."""

    def close(self) -> None:
        """Whoever opened the file closes it."""

    @property
    def sha256(self) -> str:
        """SHA-256 of all bytes, 64 hex digits."""
        return self._hash.hexdigest()


class Writer(Protocol):
    """Writes rows in one file format."""

    def write(self, row: Row) -> None:
        """Write one row, every column of which is there."""
        ...

    def close(self) -> None:
        """Write what is held back, and the end of the file."""
        ...


class JsonLines:
    """One JSON object per line, UTF-8."""

    def __init__(self, sink: Sink, fields: Sequence[Field]) -> None:
        self._sink = sink

    def write(self, row: Row) -> None:
        self._sink.write(_json(row) + b"\n")

    def close(self) -> None:
        """Nothing is held back."""


class Csv:
    """RFC 4180 with a header, UTF-8; what is nested is JSON in a cell, and no cell is a formula (``cells``)."""

    def __init__(self, sink: Sink, fields: Sequence[Field]) -> None:
        self._sink, self._buffer = sink, io.StringIO(newline="")
        self._csv = csv.writer(self._buffer)
        self._put(quoted(field.name) for field in fields)

    def write(self, row: Row) -> None:
        self._put(_cell(value) for value in row.values())

    def close(self) -> None:
        """Nothing is held back."""

    def _put(self, cells: Iterable[object]) -> None:
        self._csv.writerow(cells)
        self._sink.write(_whole(self._buffer.getvalue()).encode())
        self._buffer.seek(0)
        self._buffer.truncate()


class Parquet:
    """Parquet with an explicit schema, in row groups of bounded size."""

    def __init__(self, sink: Sink, fields: Sequence[Field]) -> None:
        pyarrow, parquet = pyarrow_modules()
        self._pyarrow = pyarrow
        self._schema = arrow_schema(fields)
        self._writer = parquet.ParquetWriter(pyarrow.PythonFile(sink, mode="w"), self._schema, compression="zstd")
        self._rows: list[Row] = []
        self._held = 0

    def write(self, row: Row) -> None:
        said = _json(row)
        # What UTF-8 cannot hold is mended in JSON, which has just been made to know the size.
        self._rows.append(row if b"\xef\xbf\xbd" not in said else json.loads(said))
        self._held += len(said)
        if len(self._rows) >= GROUP_ROWS or self._held >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(self._pyarrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows, self._held = [], 0


WRITERS: Mapping[Kind, type[JsonLines] | type[Csv] | type[Parquet]] = {
    "jsonl": JsonLines,
    "csv": Csv,
    "parquet": Parquet,
}


def pyarrow_modules() -> tuple[Any, Any]:
    """``pyarrow`` and ``pyarrow.parquet``. Raises StoreError where they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise StoreError('Parquet needs pyarrow: pip install "ensemble-judges[parquet]"') from error
    return pyarrow, pyarrow.parquet


def _whole(text: str) -> str:
    """``text`` with U+FFFD in the place of halves of characters, which UTF-8 cannot hold."""
    return _HALF.sub("\ufffd", text)


def _json(tree: object) -> bytes:
    try:
        return orjson.dumps(tree)
    except TypeError:
        # Halves of characters, and integers beyond 64 bits.
        return _whole(json.dumps(tree, ensure_ascii=False, separators=(",", ":"))).encode()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return quoted(value.replace("\x00", "\ufffd"))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return _json(value).decode()
    return value
