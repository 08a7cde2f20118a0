"""What the server needs of a wire format, and helpers to read a request of unknown shape."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from ensemble.simulator.talk import Ask, Problem, Said, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer on its way out. ``created`` is in seconds since 1970, ``version`` the model's."""

    id: str
    created: int
    ask: Ask
    said: Said
    usage: Usage
    version: int = 0
    cost_usd: Decimal = Decimal(0)

    @property
    def model(self) -> str:
        """The model id that the client is told."""
        return self.said.model or self.ask.model


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One piece of a stream: ``tokens`` set its pace, ``tells`` what usage the client knows once it has it."""

    data: bytes
    tokens: int = 0
    tells_prompt: bool = False
    tells_completion: bool = False


class Wire(Protocol):
    """One provider's wire format."""

    @property
    def name(self) -> str:
        """Short name, kept in ``Served.wire``."""
        ...

    @property
    def id_header(self) -> str:
        """The header that carries the request id."""
        ...

    @property
    def tells_usage(self) -> bool:
        """Whether a whole answer carries its usage."""
        ...

    def parse(self, body: Mapping[str, object], headers: Mapping[str, str]) -> Ask:
        """Read a request, whose header names have any case; raises Problem where the provider would refuse it."""
        ...

    def whole(self, reply: Reply) -> bytes:
        """The body of an answer that is not streamed."""
        ...

    def pieces(self, reply: Reply, chunk_tokens: int) -> Iterator[Piece]:
        """The answer as a stream."""
        ...

    def problem(self, problem: Problem, request_id: str) -> bytes:
        """The body of an error."""
        ...

    def broken_off(self, message: str) -> bytes:
        """An error in the middle of a stream."""
        ...

    def without_usage(self) -> "Wire":
        """The same format from a server that tells no usage."""
        ...


def table(value: object) -> Mapping[str, object]:
    """``value`` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: object) -> Sequence[object]:
    """``value`` if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else ()


def text(value: object) -> str:
    """``value`` if it is a JSON string, else an empty one."""
    return value if isinstance(value, str) else ""


def whole_number(body: Mapping[str, object], name: str, least: int = 1) -> int | None:
    """The integer ``name`` of ``body``, None where it is absent; raises Problem where it is something else."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Problem(400, f"'{name}' must be an integer of at least {least}.", param=name)
    return value


def number(body: Mapping[str, object], name: str) -> float | None:
    """The number ``name`` of ``body``, None where it is absent; raises Problem where it is something else."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Problem(400, f"'{name}' must be a number.", param=name)
    return float(value)
