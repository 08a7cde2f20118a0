"""The body of Anthropic's ``POST /v1/messages``, checked at the border.

Every parameter of the protocol has a field here with its fate: honoured, mapped, or refused by name with what to do
instead. What has no field is unknown and refused too, so nothing that a client asks for is silently dropped.

Source: Anthropic's API reference, as typed by ``anthropic`` 2.12 in ``types/message_create_params.py``.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictBool, StringConstraints, Tag, model_validator

from ensemble.dialects._anthropic_turns import CacheControl, Marked, Texts, ToolName, Turn
from ensemble.dialects._wire import MOST_INTEGER, DemandedSchema, Extension, JsonObject, Wire, refused, tagged, wrong
from ensemble.dialects.params import Honoured, Mapped
from ensemble.native import LEAST_BUDGET

ONLY_ANTHROPIC = "sent to Anthropic members; dropped and recorded for others"


class Tool(Marked):
    """A tool that the model may call; ``input_schema`` is a JSON Schema."""

    type: Annotated[str | None, refused("only tools of your own, of type 'custom', are known", unless=("custom",))] = (
        None
    )
    name: ToolName
    description: str | None = None
    input_schema: JsonObject
    strict: StrictBool | None = None
    eager_input_streaming: StrictBool | None = None
    input_examples: tuple[JsonObject, ...] | None = None
    allowed_callers: Annotated[
        Any, refused("only the model itself calls tools; leave it out", unless=(["direct"],))
    ] = None
    defer_loading: Annotated[Any, refused("there is no tool search here; leave it out", unless=(False,))] = None


class Choice(Wire):
    """Whether tools are called; ``disable_parallel_tool_use`` allows one call at most."""

    type: Literal["auto", "any"]
    disable_parallel_tool_use: StrictBool | None = None


class NamedChoice(Wire):
    """A demand for one certain tool."""

    type: Literal["tool"]
    name: ToolName
    disable_parallel_tool_use: StrictBool | None = None


class NoChoice(Wire):
    """A demand for no tool."""

    type: Literal["none"]


ToolChoice = Annotated[
    Annotated[Choice, Tag("<auto>")]
    | Annotated[Choice, Tag("<any>")]
    | Annotated[NamedChoice, Tag("<tool>")]
    | Annotated[NoChoice, Tag("<none>")],
    tagged("type", "auto", "any", "tool", "none"),
]


class Format(Wire):
    """JSON that fits a schema."""

    type: Literal["json_schema"]
    # ``schema`` would hide a method of BaseModel.
    json_schema: DemandedSchema = Field(alias="schema")


class OutputConfig(Wire):
    """The form of the answer and how much work goes into it."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: Format | None = None


class Thinking(Wire):
    """Whether the model thinks before it answers."""

    type: Literal["enabled", "adaptive", "between_tools", "disabled"]
    budget_tokens: int | None = Field(None, ge=LEAST_BUDGET, le=MOST_INTEGER)
    display: Literal["summarized", "omitted"] | None = None

    @model_validator(mode="after")
    def _budgeted(self) -> Self:
        if (self.type == "enabled") != (self.budget_tokens is not None):
            raise wrong("budget_tokens", "it goes with the type enabled, which needs it")
        return self


Note = Annotated[str, StringConstraints(max_length=512)]
Metadata = Annotated[dict[Annotated[str, StringConstraints(max_length=64)], Note | None], Field(max_length=17)]
_CUTS = "shorten the conversation yourself; only what keeps all of it is taken"
# The last is what Claude Code 2.1 says in every turn.
_CUTS_NOTHING = (
    {"edits": []},
    *({"edits": [{"type": "clear_thinking_20251015", "keep": k}]} for k in ({"type": "all"}, "all")),
)
_AT_THE_MEMBER = "set it in the options of a member"


class Spoken(Wire):
    """What both a message and a count of its tokens are asked with."""

    model: Annotated[str, Field(min_length=1), Honoured("a router or a member")]
    messages: Annotated[tuple[Turn, ...], Field(min_length=1), Honoured("server tools' blocks are refused by name")]
    system: Annotated[Texts | None, Honoured("a string or text blocks")] = None
    tools: Annotated[tuple[Tool, ...] | None, Honoured("tools of your own; Anthropic's are refused by name")] = None
    tool_choice: Annotated[ToolChoice | None, Honoured("`disable_parallel_tool_use` too")] = None
    thinking: Annotated[
        Thinking | None, Honoured(f"{ONLY_ANTHROPIC}; a budget that a lower limit leaves no room is lowered, too")
    ] = None
    output_config: Annotated[
        OutputConfig | None, Mapped("`format` is `response_format`, `effort` is `reasoning_effort`")
    ] = None
    cache_control: Annotated[CacheControl | None, Honoured(f"{ONLY_ANTHROPIC}, as the markers on blocks are")] = None
    speed: Annotated[Literal["standard", "fast"] | None, Honoured(ONLY_ANTHROPIC)] = None
    output_format: Annotated[Any, refused("use output_config.format")] = None
    user_profile_id: Annotated[Any, refused(_AT_THE_MEMBER)] = None
    workspace_id: Annotated[Any, refused("a header for the provider; set it in its headers_env")] = None
    context_management: Annotated[Any, refused(_CUTS, unless=_CUTS_NOTHING)] = None
    mcp_servers: Annotated[Any, refused("offer tools of your own")] = None

    @model_validator(mode="after")
    def _tools_there(self) -> Self:
        if self.tool_choice is not None and not self.tools:
            raise wrong("tool_choice", "it needs tools")
        known = {tool.name for tool in self.tools or ()}
        if isinstance(self.tool_choice, NamedChoice) and self.tool_choice.name not in known:
            raise wrong("tool_choice", "it names a tool that is not among tools")
        return self


class MessageRequest(Spoken):
    """One body."""

    max_tokens: Annotated[int, Field(ge=1, le=MOST_INTEGER), Honoured("a member's own limit may be lower")]
    stream: Annotated[StrictBool | None, Honoured()] = None
    stop_sequences: Annotated[tuple[Annotated[str, Field(min_length=1)], ...] | None, Honoured()] = None
    metadata: Annotated[
        Metadata | None, Mapped("`user_id` is recorded as the user, other texts as metadata; nothing is sent on")
    ] = None
    service_tier: Annotated[Literal["auto", "standard_only"] | None, Honoured(ONLY_ANTHROPIC)] = None
    temperature: Annotated[
        float | None, Field(ge=0, le=1), Honoured("sent to members that take it; dropped and recorded for others")
    ] = None
    top_p: Annotated[float | None, Field(ge=0, le=1), Honoured("as `temperature`")] = None
    top_k: Annotated[int | None, Field(ge=0, le=MOST_INTEGER), Honoured(ONLY_ANTHROPIC)] = None
    container: Annotated[Any, refused("there are no server tools here; leave it out")] = None
    diagnostics: Annotated[Any, refused("read GET /v1/ensemble/requests/{id} for what was logged")] = None
    inference_geo: Annotated[Any, refused(_AT_THE_MEMBER)] = None
    thread: Annotated[Any, refused("send the whole conversation with every turn")] = None
    ensemble: Extension | None = None


class CountRequest(Spoken):
    """One body of ``POST /v1/messages/count_tokens``."""

    metadata: Annotated[Metadata | None, Mapped("`data_class` says where it may be counted")] = None
