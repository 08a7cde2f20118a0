"""The body of OpenAI's ``POST /v1/chat/completions``, checked at the border.

Every parameter of the protocol has a field here with its fate: honoured, mapped, or refused by name with what to do
instead. What has no field is unknown and refused too, so nothing that a client asks for is silently dropped.

Source: OpenAI's API reference, as typed by ``openai`` 3.54 in ``types/chat/completion_create_params.py``.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, StrictBool, StringConstraints, Tag, model_validator

from ensemble.dialects._openai_turns import Turn
from ensemble.dialects._wire import (
    MOST_INTEGER,
    DemandedSchema,
    Extension,
    JsonObject,
    Wire,
    one_of_shapes,
    refused,
    tagged,
    wrong,
)
from ensemble.dialects.params import Honoured, Mapped

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
    """One certain tool."""

    type: Literal["function"]
    function: NamedFunction


class Allowed(Wire):
    """Some of the tools, and whether one of them must be called."""

    mode: Literal["auto", "required"]
    tools: Annotated[tuple[NamedTool, ...], Field(min_length=1)]


class AllowedTools(Wire):
    """A demand to keep to some of the tools."""

    type: Literal["allowed_tools"]
    allowed_tools: Allowed


SomeTools = Annotated[
    Annotated[NamedTool, Tag("<function>")] | Annotated[AllowedTools, Tag("<allowed_tools>")],
    tagged("type", "function", "allowed_tools"),
]
ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("<text>")] | Annotated[SomeTools, Tag("<tool>")],
    Discriminator(lambda value: "<text>" if isinstance(value, str) else "<tool>"),
]


class JsonSchema(Wire):
    """The schema that the answer must fit."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    # ``schema`` would hide a method of BaseModel.
    json_schema: DemandedSchema | None = Field(None, alias="schema")
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


_SENT_ON = Honoured("sent on as it is; a member that does not take it drops it, which is recorded")
_TEXT_ONLY = "answers are text only"


class ChatRequest(Wire):
    """One body. ``options()`` lists the parameters that are passed to the members by their own names."""

    model: Annotated[str, Field(min_length=1), Honoured("a router or a member")]
    messages: Annotated[
        tuple[Turn, ...],
        Field(min_length=1),
        Honoured("images, files and recordings go to the members as they are; role `function` is refused by name"),
    ]
    n: Annotated[
        int | None,
        Field(ge=1, le=128),
        Honoured("the best, in the judge's order; a smaller panel gives further samples; fewer come with a warning"),
    ] = None
    stream: Annotated[StrictBool | None, Honoured("after the verdict, or as the router's `streaming` says")] = None
    stream_options: Annotated[
        StreamOptions | None, Honoured("`include_usage`; `include_obfuscation` is refused by name")
    ] = None
    tools: Annotated[
        tuple[Tool, ...] | None, Honoured("functions, whose calls must fit; custom tools are refused by name")
    ] = None
    tool_choice: Annotated[ToolChoice | None, Honoured("of `allowed_tools`, only these are offered to the members")] = (
        None
    )
    parallel_tool_calls: Annotated[StrictBool | None, _SENT_ON] = None
    response_format: Annotated[
        Format | None,
        Honoured("a candidate that does not fit loses before it is judged; a schema that nothing can fit is a 400"),
    ] = None
    max_tokens: Annotated[int | None, Field(ge=1, le=MOST_INTEGER), Mapped("the same as `max_completion_tokens`")] = (
        None
    )
    max_completion_tokens: Annotated[
        int | None,
        Field(ge=1, le=MOST_INTEGER),
        Honoured("by the name that the member takes; its own limit may be lower"),
    ] = None
    stop: Annotated[Stops | None, Honoured()] = None
    seed: Annotated[
        int | None, Field(ge=-MOST_INTEGER, le=MOST_INTEGER), Honoured("counted up for further samples of a member")
    ] = None
    logprobs: Annotated[StrictBool | None, Honoured("null where the winner's provider gives none")] = None
    top_logprobs: Annotated[int | None, Field(ge=0, le=20), Honoured("as `logprobs`")] = None
    user: Annotated[Note | None, Mapped("recorded as the user; not sent on")] = None
    metadata: Annotated[
        dict[Label, Note] | None, Field(max_length=16), Mapped("recorded; some keys are limits; not sent on")
    ] = None
    ensemble: Extension | None = None

    temperature: Annotated[float | None, Field(ge=0, le=2), _SENT_ON] = None
    top_p: Annotated[float | None, Field(ge=0, le=1), _SENT_ON] = None
    frequency_penalty: Annotated[float | None, Field(ge=-2, le=2), _SENT_ON] = None
    presence_penalty: Annotated[float | None, Field(ge=-2, le=2), _SENT_ON] = None
    logit_bias: Annotated[dict[str, Annotated[int, Field(ge=-100, le=100)]] | None, _SENT_ON] = None
    reasoning_effort: Annotated[Note | None, _SENT_ON] = None
    verbosity: Annotated[Literal["low", "medium", "high"] | None, _SENT_ON] = None
    service_tier: Annotated[Note | None, _SENT_ON] = None
    prompt_cache_key: Annotated[Note | None, _SENT_ON] = None
    prompt_cache_retention: Annotated[Note | None, _SENT_ON] = None
    prompt_cache_options: Annotated[JsonObject | None, _SENT_ON] = None
    safety_identifier: Annotated[Note | None, _SENT_ON] = None

    functions: Annotated[Any, refused("use tools")] = None
    function_call: Annotated[Any, refused("use tool_choice")] = None
    modalities: Annotated[Any, refused(_TEXT_ONLY, unless=(["text"],))] = None
    audio: Annotated[Any, refused(_TEXT_ONLY)] = None
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
        if self.tool_choice is None:
            return self
        if not self._chosen() <= {tool.function.name for tool in self.tools or ()}:
            raise wrong("tool_choice", "it names a function that is not among tools")
        return self

    def _chosen(self) -> set[str]:
        """Names of the functions that ``tool_choice`` names."""
        match self.tool_choice:
            case None:
                return set()
            case NamedTool(function=one):
                return {one.name}
            case AllowedTools(allowed_tools=some):
                return {tool.function.name for tool in some.tools}
            case _:
                return set()

    def offered(self) -> tuple[Tool, ...]:
        """The tools that a model may call."""
        every = self.tools or ()
        if not every or not isinstance(self.tool_choice, AllowedTools):
            return every
        return tuple(tool for tool in every if tool.function.name in self._chosen())

    def options(self) -> dict[str, object]:
        """Sampling and service options that were given, by their wire names."""
        given = self.model_fields_set
        if given.isdisjoint(_PASSED_ON):
            return {}
        return {name: value for name in PASSED_ON if name in given and (value := getattr(self, name)) is not None}


PASSED_ON = tuple(name for name, field in ChatRequest.model_fields.items() if _SENT_ON in field.metadata)
"""Parameters that go to the members by their own names."""
_PASSED_ON = frozenset(PASSED_ON)
