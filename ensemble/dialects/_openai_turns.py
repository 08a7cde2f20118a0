"""The turns of a conversation in OpenAI's Chat Completions, and what every object of that protocol has in common.

Source: OpenAI's API reference, as typed by ``openai`` 3.54 in ``types/chat``.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, LiteralString, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

MOST_INTEGER = 2**63 - 1
"""SQLite and orjson hold no larger integer."""


class Wire(BaseModel):
    """One JSON object of the protocol: exact types, no unknown keys, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


def plain(value: object) -> object:
    """Free-form JSON that every provider and the store can write again; the parser alone lets NaN and 1e999 through."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it holds NaN or an infinite number, which JSON does not have")
    if isinstance(value, int) and not -MOST_INTEGER <= value <= MOST_INTEGER:
        raise ValueError("it holds an integer that does not fit into 64 bits")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        plain(inner)
    return value


def refused(mend: str, *, unless: tuple[object, ...] = ()) -> AfterValidator:
    """Refuse a parameter of the protocol that is not offered; null and the values of ``unless`` ask for nothing."""

    def check(value: object) -> object:
        if value is None or value in unless:
            return value
        raise ValueError(f"not supported here: {mend}")

    return AfterValidator(check)


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
    return Discriminator(_shaped, custom_error_type="shape", custom_error_message=f"input should be {expected}")


JsonObject = Annotated[dict[str, Any], AfterValidator(plain)]


class TextContent(Wire):
    """A piece of text."""

    type: Literal["text"]
    text: str


class RefusalContent(Wire):
    """A refusal in an assistant's earlier turn; it is passed on as text."""

    type: Literal["refusal"]
    refusal: str


class ImageUrl(Wire):
    """Where an image is: an ``https:`` or ``data:`` address."""

    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImageContent(Wire):
    """An image."""

    type: Literal["image_url"]
    image_url: ImageUrl


class FileBody(Wire):
    """A file's content in base64, or its id at the provider."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FileContent(Wire):
    """A file."""

    type: Literal["file"]
    file: FileBody


class AudioBody(Wire):
    """A recording in base64."""

    data: str
    format: Literal["wav", "mp3"]


class AudioContent(Wire):
    """A recording that the model is to hear."""

    type: Literal["input_audio"]
    input_audio: AudioBody


UserContent = Annotated[
    Annotated[TextContent, Tag("<text>")]
    | Annotated[ImageContent, Tag("<image_url>")]
    | Annotated[FileContent, Tag("<file>")]
    | Annotated[AudioContent, Tag("<input_audio>")],
    tagged("type", "text", "image_url", "file", "input_audio"),
]
AssistantContent = Annotated[
    Annotated[TextContent, Tag("<text>")] | Annotated[RefusalContent, Tag("<refusal>")],
    tagged("type", "text", "refusal"),
]
_text_or_parts = one_of_shapes("a string or an array of content parts")
TextsOrText = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[tuple[TextContent, ...], Tag("<parts>")], _text_or_parts
]
UserText = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[tuple[UserContent, ...], Field(min_length=1), Tag("<parts>")],
    _text_or_parts,
]
AssistantText = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[tuple[AssistantContent, ...], Tag("<parts>")], _text_or_parts
]


Content = TextContent | RefusalContent | ImageContent | FileContent | AudioContent
"""Any content part."""


class CalledFunction(Wire):
    """The function of a tool call; ``arguments`` is JSON text as a model wrote it."""

    name: str
    arguments: str


class WireToolCall(Wire):
    """A tool call in an assistant's earlier turn."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class SystemTurn(Wire):
    """Instructions; ``developer`` is the newer name of the role."""

    role: Literal["system", "developer"]
    content: TextsOrText
    name: str | None = None


class UserTurn(Wire):
    """What the user says and shows."""

    role: Literal["user"]
    content: UserText
    name: str | None = None


class AssistantTurn(Wire):
    """An earlier answer, in the shape in which this and other services return it."""

    role: Literal["assistant"]
    content: AssistantText | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: tuple[WireToolCall, ...] | None = None
    # What a client echoes of an earlier reply: empty it says nothing, otherwise it cannot be passed on.
    annotations: Annotated[Any, refused("leave annotations of earlier answers out", unless=([],))] = None
    audio: Annotated[Any, refused("answers are text only; leave earlier audio out")] = None
    function_call: Annotated[Any, refused("use tool_calls")] = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.content is None and self.refusal is None and not self.tool_calls:
            raise wrong("content", "a value is needed; only a turn with tool_calls or a refusal may leave it out")
        return self


class ToolTurn(Wire):
    """What a tool returned."""

    role: Literal["tool"]
    content: TextsOrText
    tool_call_id: str


class FunctionTurn(Wire):
    """The deprecated form of a tool's result."""

    role: Annotated[Literal["function"], refused("use role 'tool' with tool_call_id")]
    content: Any = None
    name: Any = None


Turn = Annotated[
    Annotated[SystemTurn, Tag("<system>")]
    | Annotated[SystemTurn, Tag("<developer>")]
    | Annotated[UserTurn, Tag("<user>")]
    | Annotated[AssistantTurn, Tag("<assistant>")]
    | Annotated[ToolTurn, Tag("<tool>")]
    | Annotated[FunctionTurn, Tag("<function>")],
    tagged("role", "system", "developer", "user", "assistant", "tool"),
]
