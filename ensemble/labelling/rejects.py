"""The file of rows that could not be used: one JSON object per line, readable by its owner alone."""

import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import orjson

from ensemble.errors import InvalidRequest
from ensemble.labelling.rows import Reject
from ensemble.store.address import Where, address_of

_BEGIN = b'{"line":'
"""What the file of an earlier run begins with; nothing else is ever replaced."""


def beside(log: Where, run: str, what: str = "rejects", ending: str = ".jsonl") -> Path:
    """Where the rejects of ``run`` go by default, or ``what`` else: beside the log, so that erasing finds them."""
    name = "".join(char if char.isalnum() or char in "-_." else "_" for char in run)
    return address_of(log).beside(f".{what}-{name}{ending}")


class Rejects:
    """Writes rejects as they come. The file is made with the first one; one of an earlier run is replaced.

    Raises, when entered:
        InvalidRequest: there is something else at this path, such as the file of prompts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        if self.path.exists() and not self._replaceable():
            raise InvalidRequest(f"{self.path}: what is there holds no rejects; name another file with --rejects")
        if not self.path.parent.is_dir():
            raise InvalidRequest(f"{self.path}: there is no such folder; name another file with --rejects")
        if not os.access(self.path.parent, os.W_OK):
            raise InvalidRequest(f"{self.path}: nothing can be written there; name another file with --rejects")
        self.path.unlink(missing_ok=True)
        return self

    def _replaceable(self) -> bool:
        if not self.path.is_file():
            return False
        with self.path.open("rb") as file:
            return file.read(len(_BEGIN)) in {b"", _BEGIN}

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, reject: Reject) -> None:
        """Write one row: ``line``, ``reason`` and the ``row`` as it came."""
        if self._file is None:
            self._file = os.fdopen(os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb")
        self.count += 1
        tree = {"line": reject.position, "reason": reject.reason, "row": reject.text}
        self._file.write(orjson.dumps(tree) + b"\n")
        self._file.flush()
