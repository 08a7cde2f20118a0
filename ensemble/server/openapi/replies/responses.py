"""What clients of OpenAI's Responses read."""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict  # the one of Python 3.11 hides which keys may be left out

from ensemble.server.openapi.replies.openai import TokenLogprob
from ensemble.server.openapi.replies.own import Report

Status = Literal["completed", "incomplete"]


class SummaryText(TypedDict):
    """Thoughts that may be read."""

    type: Literal["summary_text"]
    text: str


class Reasoning(TypedDict):
    """Thoughts, sealed for their maker."""

    id: str
    type: Literal["reasoning"]
    summary: list[SummaryText]
    encrypted_content: str


class OutputText(TypedDict):
    """A piece of text."""

    type: Literal["output_text"]
    text: str
    annotations: list[Any]
    logprobs: list[TokenLogprob]


class Refusal(TypedDict):
    """Why there is no answer."""

    type: Literal["refusal"]
    refusal: str


class OutputMessage(TypedDict):
    """What is said."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    status: Status
    content: list[OutputText | Refusal]


class FunctionCall(TypedDict):
    """A function that the model wants to be called."""

    id: str
    type: Literal["function_call"]
    status: Status
    call_id: str
    name: str
    arguments: str


class Reason(TypedDict):
    """Why the answer ends early."""

    reason: Literal["max_output_tokens", "content_filter"]


class ResponseUsage(TypedDict):
    """The winner's tokens."""

    input_tokens: int
    input_tokens_details: dict[str, int]
    output_tokens: int
    output_tokens_details: dict[str, int]
    total_tokens: int


class ResponseReasoning(TypedDict):
    """How much was to be thought."""

    effort: str | None
    summary: str | None


class ResponseText(TypedDict):
    """The form of the text."""

    format: dict[str, Any]
    verbosity: NotRequired[str]


class Response(TypedDict):
    """OpenAI's response; ``model`` is the member that won."""

    id: str
    object: Literal["response"]
    created_at: int
    model: str
    status: Status
    incomplete_details: Reason | None
    error: None
    background: Literal[False]
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: None
    metadata: dict[str, str]
    output: list[OutputMessage | FunctionCall | Reasoning]
    parallel_tool_calls: bool
    previous_response_id: str | None
    reasoning: ResponseReasoning
    safety_identifier: str | None
    service_tier: str | None
    store: bool
    temperature: float | None
    text: ResponseText
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_logprobs: int
    top_p: float | None
    truncation: Literal["disabled"]
    usage: ResponseUsage | None
    user: str | None
    ensemble: NotRequired[Report]
