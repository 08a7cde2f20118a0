"""The server's own log: one JSON object per line, with neither prompts nor answers nor messages of unknown errors."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """Writes a record as one JSON object; of an exception type and places alone, since its message may quote text."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        said: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            said |= {"error": type(error).__name__, "frames": frames(error)}
        return json.dumps(said, default=str)


def frames(error: BaseException) -> list[str]:
    """Where ``error`` came from, innermost last, causes and members of groups included."""
    told = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for other in (error.__cause__, *inner):
        if other is not None:
            told += [type(other).__name__, *frames(other)]
    return told


def to_stderr(level: int = logging.INFO) -> None:
    """Send everything that is logged from now on to standard error, in lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for library in ("httpx2", "openai", "anthropic"):
        # They log every address they call, and a provider's key may stand in its query.
        logging.getLogger(library).setLevel(logging.WARNING)
