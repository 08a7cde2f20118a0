"""OpenAI Responses: from a body to a prompt, from an answer to a response or to events, from an error to theirs.

The ``id`` of a response is ``resp_`` and our request id, ``model`` is the member that won, ``usage`` is the winner's
alone; what the panel and the judge cost stands in ``ensemble``. What a later request needs of an earlier one is in the
log: its texts, and as tags of the request what the texts do not say.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pydantic import ValidationError

from ensemble.dialects import _responses_body as body
from ensemble.dialects import _responses_items as items
from ensemble.dialects import state
from ensemble.dialects._openai_body import ObjectFormat
from ensemble.dialects._openai_reply import KEEP_ALIVE, render_error
from ensemble.dialects._responses_events import can_grow, closing, error_frame, frames, growth, opening
from ensemble.dialects._responses_reply import INSTRUCTIONS, PREFIX, PREVIOUS, STORE, SUMMARY, render
from ensemble.dialects._wire import NOTHING_OF_OURS, first_finding
from ensemble.dialects.dialect import Asked
from ensemble.dialects.openai_chat import schema_form
from ensemble.dialects.params import Param, params
from ensemble.errors import InvalidRequest
from ensemble.types import Answer
from judges.types import FilePart, ImagePart, Message, OpaquePart, Part, Prompt, ResponseFormat, TextPart, ToolCall

__all__ = [
    "KEEP_ALIVE",
    "NAME",
    "PARAMS",
    "PREFIX",
    "can_grow",
    "closing",
    "error_frame",
    "frames",
    "growth",
    "kept",
    "opening",
    "parse",
    "render",
    "render_error",
    "resumed",
]

NAME = "openai-responses"
"""Recorded with every request that came in this dialect."""
PARAMS: tuple[Param, ...] = params(body.ResponseRequest)
"""What becomes of every parameter of the protocol."""


def parse(data: bytes) -> Asked:
    """As ``Dialect.parse``. What ``continues`` an earlier response is whole only after ``resumed``."""
    try:
        asked = body.ResponseRequest.model_validate_json(data)
    except ValidationError as error:
        raise first_finding(error, body.ResponseRequest.model_fields) from None
    ours = asked.ensemble or NOTHING_OF_OURS
    prompt = _prompt(asked)
    if asked.previous_response_id is None:
        _check_outputs(prompt.messages)
    return Asked(
        model=asked.model,
        prompt=prompt,
        stream=bool(asked.stream),
        include=frozenset(ours.include),
        deadline_s=ours.deadline_s,
        conversation=ours.conversation_in(asked.metadata or {}),
        user=asked.user,
        metadata=asked.metadata or {},
        tags=dict(_tags(asked)),
        continues=asked.previous_response_id,
    )


def resumed(asked: Asked, earlier: Answer) -> Asked:
    """``asked`` with the conversation of ``earlier`` before it; the instructions are the new ones alone.

    What was said under a class of data stays under it, unless ``asked`` states another. Where no conversation is
    named, the first request's id names it.

    Raises:
        InvalidRequest: functions that ``earlier`` called have no output.
    """
    before, said, new = earlier.request, earlier.completion, asked.prompt.messages
    told = int(INSTRUCTIONS in asked.tags)  # they are the first message
    past = before.prompt.messages[int(INSTRUCTIONS in before.tags) :]
    turn = _turn(said.text, said.reasoning, said.tool_calls)
    messages = (*new[:told], *past, turn, *new[told:])
    _check_outputs(messages)
    held = {} if before.data_class is None else {"data_class": before.data_class}
    return replace(
        asked,
        prompt=replace(asked.prompt, messages=messages),
        conversation=asked.conversation or before.conversation or before.id,
        metadata={**held, **asked.metadata},
    )


def kept(answer: Answer) -> bool:
    """Whether a stored answer may be read and continued in this protocol."""
    return answer.request.dialect == NAME and STORE not in answer.request.tags


def _tags(asked: body.ResponseRequest) -> Iterator[tuple[str, str]]:
    """What a reply tells, or a later request needs, and the prompt does not say."""
    if asked.instructions is not None:
        yield INSTRUCTIONS, "first"
    if asked.previous_response_id is not None:
        yield PREVIOUS, asked.previous_response_id
    if asked.store is False:
        yield STORE, "false"
    if asked.reasoning is not None and asked.reasoning.summary is not None:
        yield SUMMARY, asked.reasoning.summary


def _prompt(asked: body.ResponseRequest) -> Prompt:
    told = [] if asked.instructions is None else [Message(role="system", content=asked.instructions)]
    return Prompt(
        messages=(*told, *_messages(asked.input)),
        tools=tuple(_tool(tool) for tool in asked.offered()),
        tool_choice=_tool_choice(asked.tool_choice) if asked.tools else None,
        response_format=_response_format(asked.text.format if asked.text else None),
        max_output_tokens=asked.max_output_tokens,
        top_logprobs=asked.wanted_logprobs(),
        options=asked.options(),
    )


def _tool(tool: body.FunctionTool) -> dict[str, object]:
    given = tool.model_dump(include={"name", "description", "parameters", "strict"}, exclude_none=True)
    return {"type": "function", "function": given}


def _tool_choice(choice: body.ToolChoice | None) -> str | dict[str, object] | None:
    match choice:
        case body.NamedTool(name=name):
            return {"type": "function", "function": {"name": name}}
        case body.AllowedTools(mode=mode):
            return mode  # not every server knows this form, so the others are not offered at all
        case body.OtherChoice():
            raise AssertionError("refused by the model")
        case _:
            return choice


def _response_format(asked: body.Format | None) -> ResponseFormat | None:
    match asked:
        case ObjectFormat():
            return ResponseFormat(type="json_object")
        case body.SchemaFormat():
            return schema_form(asked)
        case _:
            return None


def _messages(said: items.Input) -> Iterator[Message]:
    if isinstance(said, str):
        yield Message(role="user", content=said)
        return
    turn: list[items.Said] = []
    for item in said:
        if isinstance(item, items.Said):
            turn.append(item)
            continue
        if turn:
            yield _assistant(turn)
            turn = []
        yield _other(item)
    if turn:
        yield _assistant(turn)


def _other(item: items.InputMessage | items.FunctionCallOutput | items.OtherItem) -> Message:
    match item:
        case items.InputMessage():
            return Message(role=item.role, content=_shown(item.content))
        case items.FunctionCallOutput():
            return Message(role="tool", content=_shown(item.output), tool_call_id=item.call_id)
        case items.OtherItem():
            raise AssertionError("refused by the model")


def _assistant(said: Iterable[items.Said]) -> Message:
    """Items that stand together are one turn, since results of tools have to follow all of its calls."""
    texts: list[str] = []
    thoughts: list[OpaquePart] = []
    calls: list[ToolCall] = []
    for item in said:
        match item:
            case items.OutputMessage():
                texts.append(_spoken(item.content))
            case items.FunctionCall():
                calls.append(ToolCall(id=item.call_id, name=item.name, arguments=item.arguments))
            case items.Reasoning():
                thoughts.append(_thoughts(item))
    return _turn("\n\n".join(texts), thoughts, calls)


def _turn(text: str, thoughts: Iterable[OpaquePart], calls: Iterable[ToolCall]) -> Message:
    """A model's turn; content that is one text is that text, so that equal questions are equal."""
    parts: tuple[Part, ...] = (*thoughts, *((TextPart(text=text),) if text else ()))
    only = all(isinstance(part, TextPart) for part in parts)
    return Message(role="assistant", content=text if only else parts, tool_calls=tuple(calls))


def _thoughts(item: items.Reasoning) -> OpaquePart:
    """State that a client sends back; without our seal it belongs to no member, so none gets it."""
    found = state.opened(item.encrypted_content or "")
    return found or OpaquePart(origin="", data=item.model_dump(exclude_none=True))


def _spoken(content: "str | Iterable[items.OutputText | items.InputText | items.OutputRefusal]") -> str:
    if isinstance(content, str):
        return content
    return "".join(part.refusal if isinstance(part, items.OutputRefusal) else part.text for part in content)


def _shown(content: "str | tuple[items.Shown, ...]") -> str | tuple[Part, ...]:
    if isinstance(content, str):
        return content
    parts = tuple(_part(part) for part in content)
    return parts[0].text if len(parts) == 1 and isinstance(parts[0], TextPart) else parts


def _part(part: items.Shown) -> Part:
    match part:
        case items.InputText():
            return TextPart(text=part.text)
        case items.InputImage():
            return ImagePart(url=part.image_url, detail=part.detail)
        case items.InputFile():
            return FilePart(data=part.model_dump(exclude_none=True, exclude={"detail"}))


def _check_outputs(messages: Iterable[Message]) -> None:
    """Every call has its output right behind it and no output stands alone, or every member would refuse it."""
    calls: set[str] = set()
    for message in messages:
        if message.role == "tool":
            if message.tool_call_id not in calls:
                told = f"input: no function_call right before it has the call_id {message.tool_call_id!r}"
                raise InvalidRequest(told, param="input")
            calls.discard(message.tool_call_id)
            continue
        if calls:
            break
        calls = {call.id for call in message.tool_calls}
    if calls:
        raise InvalidRequest(f"input: a function_call_output is missing for the call_id {min(calls)!r}", param="input")
