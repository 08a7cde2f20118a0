"""What a supervisor and its workers tell each other: lines of text over a pair of sockets.

A worker says ``ready`` once it could serve, and ``ending SECONDS`` when it begins to end. The supervisor says ``go``,
``retire`` to one that another takes the place of, and ``stop`` to all when the service ends. A socket that closes says
that the other side has ended.
"""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

READY, GO, RETIRE, STOP, ENDING = "ready", "go", "retire", "stop", "ending"


class Post(BaseModel):
    """What a worker is given: an argument of its command line, as JSON.

    Attributes:
        number: which of the workers it is, from 1 to ``of``.
        slot: which of the files of counters is its own; no two processes that live have the same.
        channel: descriptor of its end of the pair of sockets.
        sockets: descriptors of the sockets that listen, which all workers share.
        folder: what all workers share otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    of: int
    slot: int
    channel: int
    sockets: tuple[int, ...]
    folder: Path

    @classmethod
    def read(cls, text: str) -> Self:
        """The post that ``text`` describes. Raises ValueError where a supervisor did not write it."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ValueError("--worker is for the supervisor alone; use --workers N") from error
