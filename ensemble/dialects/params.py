"""What becomes of every parameter of a protocol, as a table that documents and tests walk."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from ensemble.dialects._wire import Refused

Fate = Literal["honoured", "mapped", "refused"]


@dataclass(frozen=True, slots=True)
class Honoured:
    """Marks a parameter that means here what it means in its protocol; ``note`` says what is particular."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Mapped:
    """Marks a parameter that becomes something else on its way to the members; ``note`` says what."""

    note: str


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter by its wire name. ``note`` of a refused one is what the client is told to do instead."""

    name: str
    fate: Fate
    note: str


def params(body: type[BaseModel]) -> tuple[Param, ...]:
    """Every parameter of ``body`` in the order of the class; our own ``ensemble`` is none of the protocol's.

    Raises:
        TypeError: a field is marked with no fate.
    """
    return tuple(_param(body, name) for name in body.model_fields if name != "ensemble")


def _param(body: type[BaseModel], name: str) -> Param:
    field = body.model_fields[name]
    for mark in field.metadata:
        if isinstance(mark, Honoured):
            return Param(name, "honoured", mark.note)
        if isinstance(mark, Mapped):
            return Param(name, "mapped", mark.note)
        if isinstance(mark, Refused):
            return Param(name, "refused", mark.mend)
    raise TypeError(f"{body.__name__}.{name} is marked with no fate")
