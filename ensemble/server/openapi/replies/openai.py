"""What clients of OpenAI read."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict  # the one of Python 3.11 hides which keys may be left out

from ensemble.server.openapi.replies.own import FailedCandidate, Report


class CalledFunction(TypedDict):
    """``arguments`` is JSON text as a model wrote it."""

    name: str
    arguments: str


class ChatToolCall(TypedDict):
    """A function that the model wants to be called."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class ChatMessage(TypedDict):
    """The answer."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    tool_calls: NotRequired[list[ChatToolCall]]


class TopLogprob(TypedDict):
    """A token that might have stood there."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(TopLogprob):
    """A token of the answer."""

    top_logprobs: list[TopLogprob]


class Logprobs(TypedDict):
    """How likely the tokens were."""

    content: list[TokenLogprob]
    refusal: None


class ChatChoice(TypedDict):
    """One answer."""

    index: int
    message: ChatMessage
    logprobs: Logprobs | None
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"]


class ChatUsage(TypedDict):
    """The winner's tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int]
    completion_tokens_details: dict[str, int]


class ChatCompletion(TypedDict):
    """OpenAI's chat completion; ``model`` is the member that won."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    system_fingerprint: str | None
    choices: list[ChatChoice]
    usage: ChatUsage | None
    ensemble: NotRequired[Report]


class OpenAIModel(TypedDict):
    """A router or member in OpenAI's shape."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class OpenAIModels(TypedDict):
    """Routers, then members."""

    object: Literal["list"]
    data: list[OpenAIModel]


class OpenAIProblem(TypedDict):
    """``message`` says what to change, ``param`` where, ``code`` is for programs."""

    message: str
    type: str
    param: str | None
    code: str
    candidates: NotRequired[list[FailedCandidate]]


class OpenAIError(TypedDict):
    """An error as OpenAI's clients read it."""

    error: OpenAIProblem
