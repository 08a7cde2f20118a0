"""What clients of Anthropic read."""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict  # the one of Python 3.11 hides which keys may be left out

from ensemble.server.openapi.replies.own import FailedCandidate, Report


class TextBlock(TypedDict):
    """A piece of text."""

    type: Literal["text"]
    text: str


class ToolUseBlock(TypedDict):
    """A tool that the model wants to be called."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]


class ThinkingBlock(TypedDict):
    """Thoughts, with what proves whose they are."""

    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinkingBlock(TypedDict):
    """State that only its maker can read."""

    type: Literal["redacted_thinking"]
    data: str


class MessageUsage(TypedDict):
    """The winner's tokens, null where unknown."""

    input_tokens: int | None
    cache_creation_input_tokens: int | None
    cache_read_input_tokens: int | None
    output_tokens: int | None
    output_tokens_details: dict[str, int] | None


class Message(TypedDict):
    """Anthropic's message; ``model`` is the member that won."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    container: None
    content: list[TextBlock | ToolUseBlock | ThinkingBlock | RedactedThinkingBlock]
    stop_reason: Literal["end_turn", "max_tokens", "tool_use", "refusal", "stop_sequence"]
    stop_sequence: str | None
    stop_details: dict[str, Any] | None
    usage: MessageUsage
    ensemble: NotRequired[Report]


class TokenCount(TypedDict):
    """As the first member that can count counts them."""

    input_tokens: int


class AnthropicModel(TypedDict):
    """A router or member in Anthropic's shape."""

    type: Literal["model"]
    id: str
    display_name: str
    created_at: str
    lifecycle: Literal["active"]
    max_input_tokens: int | None
    max_tokens: int | None


class AnthropicModels(TypedDict):
    """A page of routers and members."""

    data: list[AnthropicModel]
    has_more: bool
    first_id: str | None
    last_id: str | None


class Details(TypedDict):
    """Our own code, and the field that it is about."""

    error_code: str
    param: str | None


class AnthropicProblem(TypedDict):
    """``message`` says what to change."""

    type: str
    message: str
    details: Details
    candidates: NotRequired[list[FailedCandidate]]


class AnthropicError(TypedDict):
    """An error as Anthropic's clients read it."""

    type: Literal["error"]
    error: AnthropicProblem
    request_id: str
