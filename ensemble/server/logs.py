"""The server's own log: one JSON object per line, with neither prompts nor answers nor messages of unknown errors."""

import json
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from typing import Literal

Form = Literal["json", "text"]
WHOSE: ContextVar[Callable[[], str] | None] = ContextVar("whose", default=None)
"""Tells the id of the request that this task works for; None outside of requests."""


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    """What a line says beside its message: whose request it is about, and where an error came from."""
    whose = WHOSE.get()
    said: dict[str, object] = {} if whose is None else {"request_id": whose()}
    said |= getattr(record, "fields", {})
    error = record.exc_info[1] if record.exc_info else None
    return said if error is None else {**said, "error": type(error).__name__, "frames": frames(error)}


class JsonLines(logging.Formatter):
    """Writes a record as one JSON object; of an exception type and places alone, since its message may quote text."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        said: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        return json.dumps(said, default=str)


class TextLines(logging.Formatter):
    """Writes the same for people, as one line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line: breaks, controls and marks that turn text are shown as escapes, so that nobody forges another."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        beside = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        line = f"{at} {record.levelname.lower()} {record.name}: {record.getMessage()} {beside}"
        return shown(line.rstrip())


def shown(text: str) -> str:
    """``text`` with all that a terminal would obey, or not show, as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def frames(error: BaseException) -> list[str]:
    """Where ``error`` came from, innermost last, causes and members of groups included."""
    told = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for other in (error.__cause__, *inner):
        if other is not None:
            told += [type(other).__name__, *frames(other)]
    return told


def _signed(worker: int, record: logging.LogRecord) -> bool:
    record.fields = {"worker": worker, **getattr(record, "fields", {})}
    return True


def to_stderr(level: int = logging.INFO, form: Form = "json", worker: int | None = None) -> None:
    """Send everything that is logged from now on to standard error, line by line; each names the ``worker`` given."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    if worker is not None:
        handler.addFilter(partial(_signed, worker))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for library in ("httpx2", "openai", "anthropic"):
        # They log every address they call, and a provider's key may stand in its query.
        logging.getLogger(library).setLevel(logging.WARNING)
