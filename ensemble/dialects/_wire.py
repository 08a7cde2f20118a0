"""What the bodies of every protocol have in common: strict objects, refusals by name, errors that name the key."""

import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, LiteralString

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ensemble.errors import InvalidRequest
from judges.registry import worded
from judges.schemas import flaw

MOST_INTEGER = 2**63 - 1
"""SQLite and orjson hold no larger integer."""


class Wire(BaseModel):
    """One JSON object of the protocol: exact types, no unknown keys, no NaN."""

    model_config = ConfigDict(
        strict=True, defer_build=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


class Extension(Wire):
    """Our own part of a body: the official clients send it by ``extra_body={"ensemble": {...}}``.

    Attributes:
        include: parts of the record that the reply is to hold.
        deadline_s: most seconds until the answer; left out, the router's own.
        conversation: the client's id of the conversation; ``metadata.conversation`` says the same.
    """

    include: tuple[Literal["candidates", "verdict"], ...] = ()
    deadline_s: float | None = Field(None, gt=0, le=3600)
    conversation: str | None = Field(None, min_length=1, max_length=200)

    def conversation_in(self, metadata: Mapping[str, str]) -> str | None:
        """The id of the conversation as stated here or in ``metadata``; None where it is stated nowhere."""
        return self.conversation or metadata.get("conversation") or None


NOTHING_OF_OURS = Extension.model_construct()
"""What is asked of us where a body has no such part."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Marks a parameter of the protocol that is not offered; null and the values of ``unless`` ask for nothing."""

    mend: str
    unless: tuple[object, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"enum": [None, *self.unless], "description": f"not supported here: {self.mend}"}

    def _check(self, value: object) -> object:
        if value is None or value in self.unless:
            return value
        raise ValueError(f"not supported here: {self.mend}")


ECHO = Field(description="what the official client makes of our reply, sent back with it; it says nothing more")
"""Marks what is taken and left unread."""


def refused(mend: str, *, unless: tuple[object, ...] = ()) -> Refused:
    """Refuse a parameter, with what to do instead."""
    return Refused(mend, unless)


def never(schema: dict[str, Any]) -> None:
    """Make the JSON Schema of a shape that is always refused what it is: one that nothing fits."""
    schema.clear()
    schema["not"] = {}


def plain(value: object) -> object:
    """Free-form JSON that every provider and the store can write again; the parser alone lets NaN and 1e999 through."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it holds NaN or an infinite number, which JSON does not have")
    if isinstance(value, int) and not -MOST_INTEGER <= value <= MOST_INTEGER:
        raise ValueError("it holds an integer that does not fit into 64 bits")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        plain(inner)
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(plain)]


def _usable(schema: dict[str, Any]) -> dict[str, Any]:
    if wrong := flaw(schema):
        raise ValueError(f"no usable JSON Schema: {wrong}")
    return schema


DemandedSchema = Annotated[JsonObject, AfterValidator(_usable)]
"""A JSON Schema that an answer must fit; one that nothing can fit is told before anybody is paid for trying."""


def wrong(param: LiteralString, message: LiteralString) -> PydanticCustomError:
    """An error about several keys, told of the one that the client should change."""
    return PydanticCustomError("together", message, {"param": param})


def tagged(key: str, *names: str) -> Discriminator:
    """Choose among variants by ``key``. Tags stand in ``<>`` so that they can be told from keys in an error's place."""

    def tag(value: object) -> str | None:
        named = value.get(key) if isinstance(value, Mapping) else None
        return f"<{named}>" if isinstance(named, str) else None

    return Discriminator(
        tag,
        custom_error_type="variant",
        custom_error_message=f"{key} must be one of {', '.join(names)}",
    )


def _shaped(value: object) -> str | None:
    return "<text>" if isinstance(value, str) else "<parts>" if isinstance(value, list) else None


def one_of_shapes(expected: str) -> Discriminator:
    """Choose between ``<text>`` and ``<parts>`` by whether the value is a string or an array."""
    return Discriminator(_shaped, custom_error_type="shape", custom_error_message=f"input should be {expected}")


def first_finding(error: ValidationError, known: Collection[str]) -> InvalidRequest:
    """The first finding of pydantic as one sentence that names the key and what would be right.

    ``known`` are the parameters of the protocol, among which the nearest to an unknown one is looked for.
    """
    found = error.errors(include_url=False, include_input=False)[0]
    # An error about several keys stands at their object and names the one to change.
    place = [*found["loc"], *found.get("ctx", {}).get("param", "").split()]
    param = ""
    for step in place:
        if isinstance(step, int):
            param += f"[{step}]"
        elif not step.startswith("<"):  # tags of variants, see ``tagged``
            param += f".{step}" if param else step
    if found["type"] == "json_invalid":
        why = str(found["ctx"]["error"])
        hint = "; half a surrogate pair is not text" if "hex escape" in why else ""
        return InvalidRequest(f"the body is not valid JSON: {why}{hint}")
    if found["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(place[-1]), known if len(place) == 1 else (), n=1)
        return InvalidRequest(
            f"unknown parameter: {param}" + (f"; did you mean {near[0]}?" if near else ""), param=param
        )
    message = found["msg"].removeprefix("Value error, ")
    return InvalidRequest(f"{param}: {worded(message)}" if param else f"the body: {message}", param=param or None)
