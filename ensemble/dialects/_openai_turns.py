"""The turns of a conversation in OpenAI's Chat Completions.

Source: OpenAI's API reference, as typed by ``openai`` 3.54 in ``types/chat``.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, Tag, model_validator

from ensemble.dialects._wire import ECHO, Wire, one_of_shapes, refused, tagged, wrong


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
    parsed_arguments: Annotated[Any, ECHO] = None


class WireToolCall(Wire):
    """A tool call in an assistant's earlier turn."""

    id: str
    type: Literal["function"]
    function: CalledFunction
    index: Annotated[Any, ECHO] = None


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
    parsed: Annotated[Any, ECHO] = None
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
    # Written in many examples; the call has it already.
    name: str | None = None


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
