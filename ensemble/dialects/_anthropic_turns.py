"""The turns of a conversation in Anthropic's Messages, block by block.

Source: Anthropic's API reference, as typed by ``anthropic`` 2.12 in ``types/message_param.py``.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, Tag, model_validator

from ensemble.dialects._wire import JsonObject, Wire, one_of_shapes, refused, tagged, wrong

ToolName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]


class CacheControl(Wire):
    """A marker: what stands before it may be kept in the provider's cache."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class Marked(Wire):
    """A block that may end with a cache marker."""

    cache_control: CacheControl | None = None


class TextBlock(Marked):
    """A piece of text."""

    type: Literal["text"]
    text: str
    citations: Annotated[Any, refused("leave citations of earlier answers out", unless=([],))] = None


class Source(Wire):
    """Where an image or document is: inline, at an address, or a file at the provider."""

    type: Literal["base64", "url", "file", "text", "content"]
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: Any = None


class ImageBlock(Marked):
    """An image."""

    type: Literal["image"]
    source: Source
    transformations: Annotated[Any, refused("leave it out; images go out as they are", unless=({},))] = None


class DocumentBlock(Marked):
    """A document."""

    type: Literal["document"]
    source: Source
    title: str | None = None
    context: Annotated[Any, refused("say it in a text block beside the document")] = None
    citations: Annotated[Any, refused("answers carry no citations; leave it out", unless=({"enabled": False},))] = None


class SearchResultBlock(Marked):
    """A result of a search that the client has made."""

    type: Literal["search_result"]
    source: str
    title: str
    content: tuple[TextBlock, ...]
    citations: Annotated[Any, refused("answers carry no citations; leave it out", unless=({"enabled": False},))] = None


class ThinkingBlock(Wire):
    """Thoughts of a model, with what proves that they are its own."""

    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinkingBlock(Wire):
    """State of a model that only its maker can read."""

    type: Literal["redacted_thinking"]
    data: str


class ToolUseBlock(Marked):
    """A tool call in an assistant's earlier turn."""

    type: Literal["tool_use"]
    id: Annotated[str, Field(min_length=1)]
    name: ToolName
    input: JsonObject
    caller: Annotated[Any, refused("only the model itself calls tools", unless=({"type": "direct"},))] = None
    toolset_name: Annotated[Any, refused("only tools of your own are known")] = None


_texts_or_text = one_of_shapes("a string or an array of content blocks")

ResultContent = Annotated[
    Annotated[TextBlock, Tag("<text>")]
    | Annotated[ImageBlock, Tag("<image>")]
    | Annotated[DocumentBlock, Tag("<document>")]
    | Annotated[SearchResultBlock, Tag("<search_result>")],
    tagged("type", "text", "image", "document", "search_result"),
]


class ToolResultBlock(Marked):
    """What a tool returned."""

    type: Literal["tool_result"]
    tool_use_id: str
    content: (
        Annotated[Annotated[str, Tag("<text>")] | Annotated[tuple[ResultContent, ...], Tag("<parts>")], _texts_or_text]
        | None
    ) = None
    is_error: bool = False
    toolset_name: Annotated[Any, refused("only tools of your own are known")] = None


UserContent = Annotated[
    Annotated[TextBlock, Tag("<text>")]
    | Annotated[ImageBlock, Tag("<image>")]
    | Annotated[DocumentBlock, Tag("<document>")]
    | Annotated[SearchResultBlock, Tag("<search_result>")]
    | Annotated[ToolResultBlock, Tag("<tool_result>")],
    tagged("type", "text", "image", "document", "search_result", "tool_result"),
]
AssistantContent = Annotated[
    Annotated[TextBlock, Tag("<text>")]
    | Annotated[ToolUseBlock, Tag("<tool_use>")]
    | Annotated[ThinkingBlock, Tag("<thinking>")]
    | Annotated[RedactedThinkingBlock, Tag("<redacted_thinking>")],
    tagged("type", "text", "tool_use", "thinking", "redacted_thinking"),
]
Texts = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[tuple[TextBlock, ...], Tag("<parts>")],
    one_of_shapes("a string or an array of text blocks"),
]


class SystemTurn(Wire):
    """Instructions in the middle of a conversation."""

    role: Literal["system"]
    content: Annotated[
        Annotated[str, Tag("<text>")] | Annotated[tuple[TextBlock, ...], Field(min_length=1), Tag("<parts>")],
        one_of_shapes("a string or an array of text blocks"),
    ]


class UserTurn(Wire):
    """What the user says and shows, results of tools included."""

    role: Literal["user"]
    content: Annotated[
        Annotated[str, Tag("<text>")] | Annotated[tuple[UserContent, ...], Field(min_length=1), Tag("<parts>")],
        _texts_or_text,
    ]

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if isinstance(self.content, str):
            empty = not self.content.strip()
        else:
            empty = all(isinstance(block, TextBlock) and not block.text.strip() for block in self.content)
        if empty:
            raise wrong("content", "a user's turn needs some text or another block; leave an empty turn out")
        return self


class AssistantTurn(Wire):
    """An earlier answer."""

    role: Literal["assistant"]
    content: Annotated[
        Annotated[str, Tag("<text>")] | Annotated[tuple[AssistantContent, ...], Tag("<parts>")], _texts_or_text
    ]


Turn = Annotated[
    Annotated[SystemTurn, Tag("<system>")]
    | Annotated[UserTurn, Tag("<user>")]
    | Annotated[AssistantTurn, Tag("<assistant>")],
    tagged("role", "user", "assistant", "system"),
]
Content = TextBlock | ImageBlock | DocumentBlock | SearchResultBlock
"""Blocks that are content of a message here; the others are fields of one, or messages of their own."""
AnyContent = Content | ToolResultBlock | ToolUseBlock | ThinkingBlock | RedactedThinkingBlock
"""Blocks of turns of any role."""
