"""The body of OpenAI's ``POST /v1/responses``, checked at the border.

Every parameter of the protocol has a field here with its fate: honoured, mapped, or refused by name with what to do
instead. What has no field is unknown and refused too, so nothing that a client asks for is silently dropped.

Source: OpenAI's API reference, as typed by ``openai`` 3.54 in ``types/responses/response_create_params.py``.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictBool, Tag, model_validator

from ensemble.dialects._openai_body import FunctionName, JsonSchema, Label, Note, ObjectFormat, TextFormat
from ensemble.dialects._responses_items import Input
from ensemble.dialects._wire import MOST_INTEGER, Extension, JsonObject, Wire, never, refused, tagged, wrong
from ensemble.dialects.params import Honoured, Mapped

Includable = Literal[
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "web_search_call.action.sources",
    "web_search_call.results",
]
_OFFERED = frozenset({"message.output_text.logprobs", "reasoning.encrypted_content"})


class FunctionTool(Wire):
    """A function that the model may call; ``parameters`` is a JSON Schema."""

    type: Literal["function"]
    name: FunctionName
    description: str | None = None
    parameters: JsonObject | None = None
    strict: StrictBool | None = None
    output_schema: Annotated[Any, refused("say in the description what it returns")] = None
    allowed_callers: Annotated[
        Any, refused("only the model itself calls tools; leave it out", unless=(["direct"],))
    ] = None
    defer_loading: Annotated[Any, refused("there is no tool search here; leave it out", unless=(False,))] = None
    waits: Annotated[Any, Field(alias="async"), refused("calls are answered in turn", unless=(False,))] = None


class _Foreign(BaseModel):
    """What names something other than a function."""

    model_config = ConfigDict(extra="allow", json_schema_extra=never)


class OtherTool(_Foreign):
    """A tool that OpenAI runs itself."""

    @model_validator(mode="after")
    def _refused(self) -> Self:
        raise wrong("type", "not supported here: only tools of your own, of type 'function', are known")


class NamedTool(Wire):
    """One certain function."""

    type: Literal["function"]
    name: FunctionName


class AllowedTools(Wire):
    """A demand to keep to some of the functions."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Annotated[tuple[NamedTool, ...], Field(min_length=1)]


class OtherChoice(_Foreign):
    """A demand for a tool that OpenAI runs itself."""

    @model_validator(mode="after")
    def _refused(self) -> Self:
        raise wrong("type", "not supported here: it may be 'function' or 'allowed_tools'")


def _kind(*names: str) -> Discriminator:
    def tag(value: object) -> str | None:
        if isinstance(value, str):
            return "<text>"
        kind = value.get("type") if isinstance(value, Mapping) else None
        return f"<{kind}>" if kind in names else "<other>"

    return Discriminator(tag)


Tool = Annotated[
    Annotated[FunctionTool, Tag("<function>")] | Annotated[OtherTool, Tag("<other>")],
    _kind("function"),
]
ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("<text>")]
    | Annotated[NamedTool, Tag("<function>")]
    | Annotated[AllowedTools, Tag("<allowed_tools>")]
    | Annotated[OtherChoice, Tag("<other>")],
    _kind("function", "allowed_tools"),
]


class SchemaFormat(JsonSchema):
    """JSON that fits a schema."""

    type: Literal["json_schema"]


Format = Annotated[
    Annotated[TextFormat, Tag("<text>")]
    | Annotated[ObjectFormat, Tag("<json_object>")]
    | Annotated[SchemaFormat, Tag("<json_schema>")],
    tagged("type", "text", "json_object", "json_schema"),
]


class TextConfig(Wire):
    """The form and the length of the text."""

    format: Format | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Effort(Wire):
    """How much a model thinks, and whether its thoughts are shown."""

    effort: Note | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Annotated[Any, refused("use summary")] = None
    context: Annotated[Any, refused("each member does as it does; leave it out", unless=("auto",))] = None
    mode: Annotated[Any, refused("name a member that thinks so; leave it out", unless=("standard",))] = None


class StreamOptions(Wire):
    """Options of a streamed answer."""

    include_obfuscation: Annotated[StrictBool | None, refused("events are not padded", unless=(False,))] = None


_SENT_ON = Honoured("sent on as it is; a member that does not take it drops it, which is recorded")
_LEAVE = refused("leave it out")


class ResponseRequest(Wire):
    """One body. ``options()`` lists what is passed to the members by the names of chat completions."""

    model: Annotated[str, Field(min_length=1), Honoured("a router or a member")]
    input: Annotated[
        Input, Honoured("messages, calls of functions, their outputs, reasoning; other items are refused by name")
    ]
    instructions: Annotated[str | None, Mapped("a system message before the conversation")] = None
    previous_response_id: Annotated[
        str | None, Honoured("from the log, while it keeps the texts; of the same key or tenant, else 404")
    ] = None
    store: Annotated[
        StrictBool | None, Honoured("`false` hides it from GET and `previous_response_id`; the log keeps its own rules")
    ] = None
    stream: Annotated[StrictBool | None, Honoured("after the verdict, or as the router's `streaming` says")] = None
    stream_options: Annotated[StreamOptions | None, Honoured("`include_obfuscation` true is refused by name")] = None
    tools: Annotated[tuple[Tool, ...] | None, Honoured("functions; tools that OpenAI runs are refused by name")] = None
    tool_choice: Annotated[ToolChoice | None, Honoured("of `allowed_tools`, only these are offered to the members")] = (
        None
    )
    parallel_tool_calls: Annotated[StrictBool | None, _SENT_ON] = None
    text: Annotated[TextConfig | None, Mapped("`format` is `response_format`, `verbosity` is sent on")] = None
    reasoning: Annotated[
        Effort | None, Mapped("`effort` is `reasoning_effort`; with `summary`, thoughts that a member tells are shown")
    ] = None
    include: Annotated[
        tuple[Includable, ...] | None,
        Honoured("`message.output_text.logprobs`, `reasoning.encrypted_content`; others are refused by name"),
    ] = None
    top_logprobs: Annotated[
        int | None, Field(ge=0, le=20), Honoured("logprobs are null where the winner's provider gives none")
    ] = None
    max_output_tokens: Annotated[
        int | None,
        Field(ge=1, le=MOST_INTEGER),
        Honoured("by the name that the member takes; its own limit may be lower"),
    ] = None
    temperature: Annotated[float | None, Field(ge=0, le=2), _SENT_ON] = None
    top_p: Annotated[float | None, Field(ge=0, le=1), _SENT_ON] = None
    service_tier: Annotated[Note | None, _SENT_ON] = None
    prompt_cache_key: Annotated[Note | None, _SENT_ON] = None
    prompt_cache_retention: Annotated[Note | None, _SENT_ON] = None
    prompt_cache_options: Annotated[JsonObject | None, _SENT_ON] = None
    safety_identifier: Annotated[Note | None, _SENT_ON] = None
    user: Annotated[Note | None, Mapped("recorded as the user; not sent on")] = None
    metadata: Annotated[
        dict[Label, Note] | None, Field(max_length=16), Mapped("recorded; some keys are limits; not sent on")
    ] = None
    client_metadata: Annotated[JsonObject | None, Mapped("what Codex notes of itself; not recorded, not sent on")] = (
        None
    )
    ensemble: Extension | None = None

    truncation: Annotated[Any, refused("nothing is cut; shorten the input yourself", unless=("disabled",))] = None
    background: Annotated[Any, refused("wait for the answer, or stream it", unless=(False,))] = None
    background_options: Annotated[Any, refused("wait for the answer, or stream it")] = None
    conversation: Annotated[Any, refused("use previous_response_id, or send the items")] = None
    context_management: Annotated[Any, refused("shorten the input yourself")] = None
    prompt: Annotated[Any, refused("send the text of the template in input")] = None
    max_tool_calls: Annotated[Any, refused("only your own code calls tools here")] = None
    moderation: Annotated[Any, _LEAVE] = None
    image: Annotated[Any, _LEAVE] = None
    access_programs: Annotated[Any, _LEAVE] = None

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise wrong("stream_options", "it needs stream to be true")
        if not set(self.include or ()) <= _OFFERED:
            raise wrong("include", "not supported here: there are no built-in tools, whose results could be told")
        if not self.tools and self.tool_choice not in (None, "none", "auto"):
            raise wrong("tool_choice", "it needs tools")
        if not self._chosen() <= {tool.name for tool in self._functions()}:
            raise wrong("tool_choice", "it names a function that is not among tools")
        return self

    def _functions(self) -> tuple[FunctionTool, ...]:
        return tuple(tool for tool in self.tools or () if isinstance(tool, FunctionTool))

    def _chosen(self) -> set[str]:
        """Names of the functions that ``tool_choice`` names."""
        match self.tool_choice:
            case NamedTool(name=one):
                return {one}
            case AllowedTools(tools=some):
                return {tool.name for tool in some}
            case _:
                return set()

    def offered(self) -> tuple[FunctionTool, ...]:
        """The tools that a model may call."""
        if not isinstance(self.tool_choice, AllowedTools):
            return self._functions()
        return tuple(tool for tool in self._functions() if tool.name in self._chosen())

    def wanted_logprobs(self) -> int | None:
        """Alternatives wanted per token; None for no logprobs."""
        told = "message.output_text.logprobs" in (self.include or ())
        return self.top_logprobs or 0 if told or self.top_logprobs else None

    def options(self) -> dict[str, object]:
        """Sampling and service options that were given, by their names in chat completions."""
        sent = self.model_dump(include=_PASSED_ON, exclude_none=True)
        if not self.tools:
            sent.pop("parallel_tool_calls", None)  # it says something of tools alone
        mapped = {
            "reasoning_effort": self.reasoning.effort if self.reasoning else None,
            "verbosity": self.text.verbosity if self.text else None,
        }
        return sent | {name: value for name, value in mapped.items() if value is not None}


_PASSED_ON = {name for name, field in ResponseRequest.model_fields.items() if _SENT_ON in field.metadata}
