"""What a dialect is: the wire format of a protocol that clients speak, as one module of this package."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import orjson

from ensemble.dialects import extension
from ensemble.errors import EnsembleError
from ensemble.types import Answer, Request
from judges.quick import quick
from judges.types import Prompt


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A body that was understood.

    Attributes:
        include: parts of the record that the reply is to hold.
        include_usage: a stream is to tell the tokens, where the protocol leaves that to the client.
        deadline_s: most seconds until the answer; None for the router's own.
        n: answers wanted, where the protocol has room for several.
        conversation: the client's id of the conversation; None where it states none.
        tags: what a later reply or request in this protocol has to know of this one; recorded with the request.
        continues: the earlier reply that this goes on from, by its id in the protocol.
    """

    model: str
    prompt: Prompt
    stream: bool = False
    include_usage: bool = False
    include: frozenset[extension.Part] = frozenset()
    deadline_s: float | None = None
    conversation: str | None = None
    user: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    continues: str | None = None
    n: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What went wrong, as a client is told of it; ``candidates`` tells what became of each, where known."""

    message: str
    status: int
    code: str
    param: str | None = None
    candidates: tuple[Mapping[str, object], ...] = ()


def problem_of(error: EnsembleError) -> Problem:
    """``error`` as data."""
    failed = tuple(extension.failures(error))
    return Problem(message=str(error), status=error.status, code=error.code, param=error.param, candidates=failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How much of a stream has been told: characters of the text, and events, which some protocols number."""

    chars: int = 0
    events: int = 0


NOTHING = Told()


@runtime_checkable
class Growing(Protocol):
    """A dialect that can tell an answer while it is written; what it tells are server-sent events, each whole."""

    def can_grow(self, asked: Asked, thought: bool) -> bool:
        """Whether text can be told before the whole is known; ``thought``: the member has shown thoughts before it."""
        ...

    def opening(self, request: Request, member: str, asked: Asked) -> Iterator[bytes]:
        """What comes before the first piece of text of ``member``."""
        ...

    def growth(self, request: Request, member: str, asked: Asked, text: str, told: Told) -> bytes:
        """A piece of text behind what was ``told``."""
        ...

    def closing(self, answer: Answer, asked: Asked, told: Told) -> Iterator[bytes]:
        """The rest of ``answer`` behind what was ``told``."""
        ...


class Dialect(Protocol):
    """One protocol; the modules ``openai_chat``, ``openai_responses`` and ``anthropic_messages`` are such."""

    NAME: str
    """Recorded with every request that came in this dialect."""
    PREFIX: str
    """Stands before our request id in the ``id`` of a reply."""
    KEEP_ALIVE: bytes
    """What a stream says while there is nothing to say; clients skip it."""

    def parse(self, data: bytes) -> Asked:
        """Understand a body.

        Raises:
            InvalidRequest: it is no JSON, breaks the protocol, or asks for what is not offered.
        """
        ...

    def render(self, answer: Answer, asked: Asked) -> dict[str, object]:
        """The body of a reply that is not streamed."""
        ...

    def frames(self, answer: Answer, asked: Asked) -> Iterator[bytes]:
        """The reply as server-sent events, each whole."""
        ...

    def render_error(self, problem: Problem, request_id: str) -> dict[str, object]:
        """The body of an error, as the official client reads it."""
        ...

    def error_frame(self, problem: Problem, request_id: str, told: Told = NOTHING) -> bytes:
        """An error inside a stream, behind what was ``told``."""
        ...


def dumps(value: object, *, sort: bool = False) -> bytes:
    """JSON text, keys sorted if asked. Lone surrogates, which a model may write, become the replacement character."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort else None)
    except TypeError:
        text = json.dumps(value, ensure_ascii=False, sort_keys=sort)
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def frame(value: Mapping[str, object], name: str | None = None) -> bytes:
    """One server-sent event, named where the protocol names events. JSON text has no line break."""
    head = b"" if name is None else b"event: %b\n" % name.encode()
    return b"%bdata: %b\n\n" % (head, dumps(value))


def pieces(text: str, size: int) -> Iterator[str]:
    """``text`` in pieces of ``size`` characters."""
    for start in range(0, len(text), size):
        yield text[start : start + size]
