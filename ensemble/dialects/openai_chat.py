"""OpenAI Chat Completions: from a body to a prompt, from an answer to a reply or to chunks, from an error to theirs.

The reply's ``id`` is ``chatcmpl-`` and our request id, ``model`` is the member that won, ``usage`` is that of
the choices alone; what the panel and the judge cost stands in ``ensemble``.
"""

from collections.abc import Iterable

from pydantic import ValidationError

from ensemble.dialects import _openai_body as body
from ensemble.dialects import _openai_turns as turns
from ensemble.dialects._openai_reply import (
    KEEP_ALIVE,
    PREFIX,
    can_grow,
    chunks,
    closing,
    error_frame,
    frames,
    growth,
    opening,
    render,
    render_error,
)
from ensemble.dialects._wire import NOTHING_OF_OURS, first_finding
from ensemble.dialects.dialect import Asked, dumps
from ensemble.dialects.params import Param, params
from ensemble.errors import InvalidRequest
from judges.quick import maker
from judges.types import FilePart, ImagePart, Message, Part, Prompt, ResponseFormat, TextPart, ToolCall

__all__ = [
    "KEEP_ALIVE",
    "NAME",
    "PARAMS",
    "PREFIX",
    "Asked",
    "can_grow",
    "chunks",
    "closing",
    "dumps",
    "error_frame",
    "frames",
    "growth",
    "opening",
    "parse",
    "render",
    "render_error",
    "schema_form",
]

NAME = "openai-chat"
"""Recorded with every request that came in this dialect."""
PARAMS: tuple[Param, ...] = params(body.ChatRequest)
"""What becomes of every parameter of the protocol."""
_asked, _asking, _message = maker(Asked), maker(Prompt), maker(Message)


def parse(data: bytes) -> Asked:
    """Understand a body.

    Raises:
        InvalidRequest: it is no JSON, breaks the protocol, or asks for what is not offered; ``param`` names the key.
    """
    try:
        asked = body.ChatRequest.model_validate_json(data)
    except ValidationError as error:
        raise first_finding(error, body.ChatRequest.model_fields) from None
    _check_tool_turns(asked.messages)
    ours = asked.ensemble or NOTHING_OF_OURS
    return _asked(
        model=asked.model,
        prompt=_prompt(asked),
        stream=bool(asked.stream),
        include_usage=bool(asked.stream_options and asked.stream_options.include_usage),
        include=frozenset(ours.include),
        deadline_s=ours.deadline_s,
        conversation=ours.conversation_in(asked.metadata or {}),
        user=asked.user,
        metadata=asked.metadata or {},
        n=asked.n or 1,
    )


def _check_tool_turns(said: Iterable[turns.Turn]) -> None:
    """Every tool call has its results right behind it and no result stands alone, or every member would refuse it."""
    open_calls: set[str] = set()
    index = -1
    for index, turn in enumerate(said):
        if turn.role == "tool":
            if turn.tool_call_id not in open_calls:
                param = f"messages[{index}].tool_call_id"
                raise InvalidRequest(f"{param}: no tool call right before it has this id", param=param)
            open_calls.discard(turn.tool_call_id)
            continue
        if open_calls:
            raise _unanswered(index, open_calls)
        if turn.role == "assistant":
            open_calls = {call.id for call in turn.tool_calls or ()}
    if open_calls:
        raise _unanswered(index + 1, open_calls)


def _unanswered(index: int, calls: Iterable[str]) -> InvalidRequest:
    param = f"messages[{index}]"
    return InvalidRequest(f"{param}: a tool turn is missing here for the tool call {min(calls)}", param=param)


def _prompt(asked: body.ChatRequest) -> Prompt:
    stop = (asked.stop,) if isinstance(asked.stop, str) else asked.stop or ()
    top = (asked.top_logprobs or 0) if asked.logprobs else None
    return _asking(
        messages=tuple([_turn(turn) for turn in asked.messages]),
        tools=tuple([tool.model_dump(exclude_unset=True) for tool in asked.offered()]),
        tool_choice=_tool_choice(asked.tool_choice),
        response_format=_response_format(asked.response_format),
        max_output_tokens=asked.max_completion_tokens or asked.max_tokens,
        stop=stop,
        seed=asked.seed,
        top_logprobs=top,
        options=asked.options(),
    )


def _tool_choice(choice: body.ToolChoice | None) -> str | dict[str, object] | None:
    match choice:
        case None:
            return None
        case body.NamedTool():
            return choice.model_dump()
        case body.AllowedTools(allowed_tools=some):
            return some.mode  # not every server knows this form, so the others are not offered at all
        case _:
            return choice


def _turn(turn: turns.Turn) -> Message:
    # By the role: that an object is not of a class of pydantic's takes long to tell.
    if turn.role == "tool":
        return _message(role="tool", content=_parts(turn.content), tool_call_id=turn.tool_call_id)
    if turn.role == "assistant":
        calls = tuple(
            ToolCall(id=call.id, name=call.function.name, arguments=call.function.arguments)
            for call in turn.tool_calls or ()
        )
        content = turn.content if turn.content is not None else turn.refusal or ""
        return _message(role="assistant", content=_parts(content), name=turn.name, tool_calls=calls)
    assert turn.role != "function"  # noqa: S101 - for the type checker: the model refuses it
    return _message(role=turn.role, content=_parts(turn.content), name=turn.name)


def _parts(content: "str | tuple[turns.Content, ...]") -> str | tuple[Part, ...]:
    return content if isinstance(content, str) else tuple(_part(part) for part in content)


def _part(part: "turns.Content") -> Part:
    match part:
        case turns.TextContent():
            return TextPart(text=part.text)
        case turns.RefusalContent():
            return TextPart(text=part.refusal)
        case turns.ImageContent():
            return ImagePart(url=part.image_url.url, detail=part.image_url.detail)
        case turns.FileContent() | turns.AudioContent():
            return FilePart(data=part.model_dump(exclude_unset=True))


def _response_format(asked: body.Format | None) -> ResponseFormat | None:
    match asked:
        case None | body.TextFormat():
            return None
        case body.ObjectFormat():
            return ResponseFormat(type="json_object")
        case body.SchemaFormat(json_schema=spec):
            return schema_form(spec)


def schema_form(spec: body.JsonSchema) -> ResponseFormat:
    """The form that a schema describes."""
    schema = spec.json_schema if spec.json_schema is not None else {}
    if spec.description is not None:
        # The same thing in the schema's own words: not every provider has a place beside the schema.
        schema = {"description": spec.description, **schema}
    return ResponseFormat(type="json_schema", schema=schema, name=spec.name, strict=spec.strict)
