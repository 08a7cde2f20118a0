"""The items of a conversation in OpenAI's Responses.

Source: OpenAI's API reference, as typed by ``openai`` 3.54 in ``types/responses/response_input_item_param.py``.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from ensemble.dialects._wire import ECHO, Wire, never, one_of_shapes, refused, tagged, wrong

_DIRECT = refused("only the model itself calls tools", unless=({"type": "direct"},))
_NO_BREAKPOINT = refused("leave it out; prompt_cache_options is sent on")


class InputText(Wire):
    """A piece of text."""

    type: Literal["input_text"]
    text: str
    prompt_cache_breakpoint: Annotated[Any, _NO_BREAKPOINT] = None


class InputImage(Wire):
    """An image by its ``https:`` or ``data:`` address."""

    type: Literal["input_image"]
    file_id: Annotated[Any, refused("give the image itself, in image_url")] = None
    image_url: str
    detail: Literal["auto", "low", "high", "original"] | None = None
    prompt_cache_breakpoint: Annotated[Any, _NO_BREAKPOINT] = None


class InputFile(Wire):
    """A file: inline, at an address, or by its id at the provider."""

    type: Literal["input_file"]
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None
    detail: Annotated[Any, refused("leave it out", unless=("auto",))] = None
    prompt_cache_breakpoint: Annotated[Any, _NO_BREAKPOINT] = None


class OutputText(Wire):
    """A piece of an earlier answer; its ``logprobs`` are an echo that says nothing more."""

    type: Literal["output_text"]
    text: str
    annotations: Annotated[Any, refused("leave annotations of earlier answers out", unless=([],))] = None
    logprobs: Any = None
    parsed: Annotated[Any, ECHO] = None


class OutputRefusal(Wire):
    """A refusal in an earlier answer; it is passed on as text."""

    type: Literal["refusal"]
    refusal: str


Shown = InputText | InputImage | InputFile
"""What a user or a tool shows."""
_Shown = Annotated[
    Annotated[InputText, Tag("<input_text>")]
    | Annotated[InputImage, Tag("<input_image>")]
    | Annotated[InputFile, Tag("<input_file>")],
    tagged("type", "input_text", "input_image", "input_file"),
]
_Spoken = Annotated[
    Annotated[OutputText, Tag("<output_text>")]
    | Annotated[InputText, Tag("<input_text>")]
    | Annotated[OutputRefusal, Tag("<refusal>")],
    tagged("type", "output_text", "refusal"),
]
_text_or_parts = one_of_shapes("a string or an array of content parts")
ShownOrText = Annotated[Annotated[str, Tag("<text>")] | Annotated[tuple[_Shown, ...], Tag("<parts>")], _text_or_parts]


class _Item(Wire):
    """Every item may carry an id and a status, which are an echo of an earlier reply and ask for nothing."""

    id: str | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None


class InputMessage(_Item):
    """What the user says and shows, or an instruction in the middle of a conversation."""

    type: Literal["message"] = "message"
    role: Literal["user", "system", "developer"]
    content: ShownOrText
    phase: Annotated[Any, refused("leave it out")] = None


class OutputMessage(_Item):
    """An earlier answer."""

    type: Literal["message"] = "message"
    role: Literal["assistant"]
    content: Annotated[Annotated[str, Tag("<text>")] | Annotated[tuple[_Spoken, ...], Tag("<parts>")], _text_or_parts]
    phase: Annotated[Any, refused("leave it out")] = None


class FunctionCall(_Item):
    """A call of a tool in an earlier answer."""

    type: Literal["function_call"]
    call_id: Annotated[str, Field(min_length=1)]
    name: str
    arguments: str
    parsed_arguments: Annotated[Any, ECHO] = None
    namespace: Annotated[Any, refused("only functions without a namespace are known")] = None
    caller: Annotated[Any, _DIRECT] = None
    # The second name is what ``model_dump()`` of the official client makes of the key.
    waits: Annotated[
        Any,
        Field(validation_alias=AliasChoices("async", "async_")),
        refused("calls are answered in turn", unless=(False,)),
    ] = None


class FunctionCallOutput(_Item):
    """What a tool returned."""

    type: Literal["function_call_output"]
    call_id: Annotated[str, Field(min_length=1)]
    output: ShownOrText
    name: Annotated[Any, refused("call_id says which function it was")] = None
    namespace: Annotated[Any, refused("only functions without a namespace are known")] = None
    caller: Annotated[Any, _DIRECT] = None


class SummaryText(Wire):
    """A piece of what a model told of its thoughts."""

    type: Literal["summary_text"]
    text: str


class ReasoningText(Wire):
    """A piece of a model's thoughts."""

    type: Literal["reasoning_text"]
    text: str


class Reasoning(_Item):
    """Thoughts of a model; ``encrypted_content`` is state that only its maker can read."""

    type: Literal["reasoning"]
    summary: tuple[SummaryText, ...] = ()
    content: tuple[ReasoningText, ...] | None = None
    encrypted_content: str | None = None


class OtherItem(BaseModel):
    """Any other item of the protocol: references, and what belongs to built-in tools."""

    model_config = ConfigDict(extra="allow", json_schema_extra=never)

    @model_validator(mode="after")
    def _refused(self) -> Self:
        raise wrong(
            "type",
            "not supported here: an item is a message, function_call, function_call_output or reasoning; "
            "instead of a reference send the item itself, or previous_response_id",
        )


_NAMES = ("function_call", "function_call_output", "reasoning")


def _item(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return None
    kind = value.get("type", "message" if "role" in value else None)
    if kind == "message":
        return "<assistant>" if value.get("role") == "assistant" else "<message>"
    return f"<{kind}>" if kind in _NAMES else "<other>"


Said = OutputMessage | FunctionCall | Reasoning
"""Items of a model's turn; those that stand together are one turn."""
Item = Annotated[
    Annotated[InputMessage, Tag("<message>")]
    | Annotated[OutputMessage, Tag("<assistant>")]
    | Annotated[FunctionCall, Tag("<function_call>")]
    | Annotated[FunctionCallOutput, Tag("<function_call_output>")]
    | Annotated[Reasoning, Tag("<reasoning>")]
    | Annotated[OtherItem, Tag("<other>")],
    Discriminator(_item, custom_error_type="variant", custom_error_message="an item must be an object"),
]
Input = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[tuple[Item, ...], Field(min_length=1), Tag("<parts>")],
    one_of_shapes("a string or an array of items"),
]
