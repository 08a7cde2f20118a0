"""The body of OpenAI's ``POST /v1/chat/completions``, checked at the border.

Every parameter of the protocol has a field here: honoured, or refused by name with what to do instead. What has no
field is unknown and refused too, so nothing that a client asks for is silently dropped.

Source: OpenAI's API reference, as typed by ``openai`` 3.54 in ``types/chat/completion_create_params.py``.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, StrictBool, StringConstraints, Tag, model_validator

from ensemble.dialects._openai_turns import Turn
from ensemble.dialects._wire import MOST_INTEGER, Extension, JsonObject, Wire, one_of_shapes, refused, tagged, wrong

FunctionName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class ToolFunction(Wire):
    """A function that the model may call; ``parameters`` is a JSON Schema."""

    name: FunctionName
    description: str | None = None
    parameters: JsonObject | None = None
    strict: StrictBool | None = None


class Tool(Wire):
    """A tool that the model may call."""

    type: Literal["function"]
    function: ToolFunction


class NamedFunction(Wire):
    """The name of a function."""

    name: FunctionName


class NamedTool(Wire):
    """A demand for one certain tool."""

    type: Literal["function"]
    function: NamedFunction


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("<text>")] | Annotated[NamedTool, Tag("<tool>")],
    Discriminator(lambda value: "<text>" if isinstance(value, str) else "<tool>"),
]


class JsonSchema(Wire):
    """The schema that the answer must fit."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    # ``schema`` would hide a method of BaseModel.
    json_schema: JsonObject | None = Field(None, alias="schema")
    strict: StrictBool | None = None


class TextFormat(Wire):
    """Free text, the default."""

    type: Literal["text"]


class ObjectFormat(Wire):
    """Any JSON object."""

    type: Literal["json_object"]


class SchemaFormat(Wire):
    """JSON that fits a schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


Format = Annotated[
    Annotated[TextFormat, Tag("<text>")]
    | Annotated[ObjectFormat, Tag("<json_object>")]
    | Annotated[SchemaFormat, Tag("<json_schema>")],
    tagged("type", "text", "json_object", "json_schema"),
]


class StreamOptions(Wire):
    """Options of a streamed answer."""

    include_usage: StrictBool | None = None
    include_obfuscation: Annotated[StrictBool | None, refused("chunks are not padded", unless=(False,))] = None


def _some(most: int) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    def check(values: tuple[str, ...]) -> tuple[str, ...]:
        if len(values) > most or not all(values):
            raise ValueError(f"at most {most} texts, none of them empty")
        return values

    return check


Stops = Annotated[
    Annotated[str, StringConstraints(min_length=1), Tag("<text>")]
    | Annotated[tuple[str, ...], AfterValidator(_some(4)), Tag("<parts>")],
    one_of_shapes("a string or an array of up to 4 strings"),
]
Label = Annotated[str, StringConstraints(max_length=64)]
Note = Annotated[str, StringConstraints(max_length=512)]


class ChatRequest(Wire):
    """One body. ``options()`` lists the parameters that are passed to the members by their own names."""

    model: str = Field(min_length=1)
    messages: tuple[Turn, ...] = Field(min_length=1)
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    tools: tuple[Tool, ...] | None = None
    tool_choice: ToolChoice | None = None
    response_format: Format | None = None
    max_tokens: int | None = Field(None, ge=1, le=MOST_INTEGER)
    max_completion_tokens: int | None = Field(None, ge=1, le=MOST_INTEGER)
    stop: Stops | None = None
    seed: int | None = Field(None, ge=-MOST_INTEGER, le=MOST_INTEGER)
    logprobs: StrictBool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    user: Note | None = None
    metadata: Annotated[dict[Label, Note], Field(max_length=16)] | None = None
    ensemble: Extension | None = None

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: dict[str, Annotated[int, Field(ge=-100, le=100)]] | None = None
    parallel_tool_calls: StrictBool | None = None
    reasoning_effort: Note | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    service_tier: Note | None = None
    prompt_cache_key: Note | None = None
    prompt_cache_retention: Note | None = None
    prompt_cache_options: JsonObject | None = None
    safety_identifier: Note | None = None

    n: Annotated[int | None, Field(ge=1), refused("one answer per request", unless=(1,))] = None
    functions: Annotated[Any, refused("use tools")] = None
    function_call: Annotated[Any, refused("use tool_choice")] = None
    modalities: Annotated[Any, refused("answers are text only", unless=(["text"],))] = None
    audio: Annotated[Any, refused("answers are text only")] = None
    prediction: Annotated[Any, refused("leave it out")] = None
    moderation: Annotated[Any, refused("leave it out")] = None
    store: Annotated[
        StrictBool | None, refused("read GET /v1/ensemble/requests/{id} for what was logged", unless=(False,))
    ] = None
    web_search_options: Annotated[Any, refused("leave it out, or offer a search tool of your own")] = None

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise wrong("max_tokens", "give max_completion_tokens or this, not both")
        if self.top_logprobs is not None and not self.logprobs:
            raise wrong("top_logprobs", "it needs logprobs to be true")
        if self.stream_options is not None and not self.stream:
            raise wrong("stream_options", "it needs stream to be true")
        if not self.tools:
            for name in ("tool_choice", "parallel_tool_calls"):
                if getattr(self, name) is not None:
                    raise wrong(name, "it needs tools")
        return self

    def options(self) -> dict[str, object]:
        """Sampling and service options that were given, by their wire names."""
        return self.model_dump(include=PASSED_ON, exclude_none=True)


PASSED_ON = {
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "parallel_tool_calls",
    "reasoning_effort",
    "verbosity",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "safety_identifier",
}
"""Parameters that go to the members as they are; a member that does not take one reports it as dropped."""
