"""Anthropic Messages: from a body to a prompt, from an answer to a message or to events, from an error to theirs.

The ``id`` of a message is ``msg_`` and our request id, ``model`` is the member that won, ``usage`` is the winner's
alone; what the panel and the judge cost stands in ``ensemble``. Thoughts come back with a signature of ours around
the maker's, see ``state``.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TypeVar

from pydantic import ValidationError

from ensemble.dialects import _anthropic_body as body
from ensemble.dialects import _anthropic_turns as turns
from ensemble.dialects._anthropic_reply import (
    KEEP_ALIVE,
    PREFIX,
    can_grow,
    closing,
    error_frame,
    frames,
    growth,
    opening,
    render,
    render_error,
    thoughts,
)
from ensemble.dialects._wire import NOTHING_OF_OURS, first_finding
from ensemble.dialects.dialect import Asked
from ensemble.dialects.params import Param, params
from ensemble.errors import InvalidRequest
from ensemble.native import ANTHROPIC
from judges.types import FilePart, ImagePart, Message, Part, Prompt, ResponseFormat, TextPart, ToolCall

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
    "opening",
    "parse",
    "parse_count",
    "render",
    "render_error",
]

NAME = "anthropic-messages"
"""Recorded with every request that came in this dialect."""
PARAMS: tuple[Param, ...] = params(body.MessageRequest)
"""What becomes of every parameter of the protocol."""

_Body = TypeVar("_Body", bound=body.Spoken)


def parse(data: bytes) -> Asked:
    """As ``Dialect.parse``."""
    asked = _read(data, body.MessageRequest)
    ours = asked.ensemble or NOTHING_OF_OURS
    told = {name: text for name, text in (asked.metadata or {}).items() if text is not None}
    user = told.pop("user_id", None)
    prompt = _prompt(asked, service_tier=asked.service_tier, top_k=asked.top_k)
    return Asked(
        model=asked.model,
        prompt=replace(
            prompt,
            max_output_tokens=asked.max_tokens,
            stop=asked.stop_sequences or (),
            options={**_given(temperature=asked.temperature, top_p=asked.top_p), **prompt.options},
        ),
        stream=bool(asked.stream),
        include=frozenset(ours.include),
        deadline_s=ours.deadline_s,
        conversation=ours.conversation_in(told),
        user=user,
        metadata=told,
    )


def parse_count(data: bytes) -> Asked:
    """A body that asks for a count of tokens. Raises as ``parse``."""
    asked = _read(data, body.CountRequest)
    told = {name: text for name, text in (asked.metadata or {}).items() if text is not None}
    return Asked(model=asked.model, prompt=_prompt(asked), metadata=told)


def _read(data: bytes, kind: type[_Body]) -> _Body:
    try:
        asked = kind.model_validate_json(data)
    except ValidationError as error:
        raise first_finding(error, kind.model_fields) from None
    _check_tool_results(asked.messages)
    return asked


def _prompt(asked: body.Spoken, **native: object) -> Prompt:
    """What is asked, but for the limits; ``native`` are further parameters that only Anthropic has."""
    wanted = asked.output_config or body.OutputConfig()
    form = wanted.format
    own = _given(
        thinking=asked.thinking.model_dump(exclude_none=True) if asked.thinking else None,
        cache_control=asked.cache_control.model_dump(exclude_none=True) if asked.cache_control else None,
        speed=asked.speed,
        **native,
    )
    once = getattr(asked.tool_choice, "disable_parallel_tool_use", None)
    options = _given(reasoning_effort=wanted.effort, parallel_tool_calls=False if once else None)
    return Prompt(
        messages=(*_system(asked.system), *_conversation(asked.messages)),
        tools=tuple(_tool(tool) for tool in asked.tools or ()),
        tool_choice=_tool_choice(asked.tool_choice),
        response_format=ResponseFormat(type="json_schema", schema=form.json_schema) if form else None,
        options={**options, ANTHROPIC: own} if own else options,
    )


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _tool(tool: body.Tool) -> dict[str, object]:
    """A tool in OpenAI's shape; what only Anthropic knows of it stands beside the function."""
    function = _given(name=tool.name, description=tool.description, parameters=tool.input_schema, strict=tool.strict)
    own = tool.model_dump(include={"cache_control", "eager_input_streaming", "input_examples"}, exclude_none=True)
    return {"type": "function", "function": function, **({ANTHROPIC: own} if own else {})}


def _tool_choice(choice: body.ToolChoice | None) -> str | dict[str, object] | None:
    match choice:
        case None:
            return None
        case body.NamedChoice():
            return {"type": "function", "function": {"name": choice.name}}
        case body.NoChoice():
            return "none"
        case body.Choice():
            return "required" if choice.type == "any" else "auto"


def _system(said: "str | tuple[turns.TextBlock, ...] | None") -> Iterator[Message]:
    """One turn, whatever the number of blocks: many servers take no second system turn."""
    if isinstance(said, str):
        yield Message(role="system", content=said)
    elif said:
        yield Message(role="system", content="\n\n".join(block.text for block in said), cache_control=_marker(said))


def _conversation(said: "Iterable[turns.Turn]") -> Iterator[Message]:
    """Turns of one role in a row are one, as at Anthropic, where tools are called in them or have their results."""
    for _, same in groupby(said, key=lambda turn: turn.role):
        run = list(same)
        blocks = [block for turn in run for block in _blocks(turn)] if len(run) > 1 else []
        if any(isinstance(block, turns.ToolUseBlock) for block in blocks):
            yield _assistant(blocks)
        elif any(isinstance(block, turns.ToolResultBlock) for block in blocks):
            yield from _user(blocks)
        else:
            for turn in run:
                yield from _messages(turn)


def _blocks(turn: turns.Turn) -> "Sequence[turns.AnyContent]":
    content = turn.content
    return (turns.TextBlock(type="text", text=content),) if isinstance(content, str) else content


def _messages(turn: turns.Turn) -> Iterator[Message]:
    if isinstance(turn, turns.SystemTurn):
        yield from _system(turn.content)
    elif isinstance(turn.content, str):
        yield Message(role=turn.role, content=turn.content)
    elif isinstance(turn, turns.AssistantTurn):
        yield _assistant(turn.content)
    else:
        yield from _user(turn.content)


def _assistant(blocks: "Sequence[turns.AnyContent]") -> Message:
    parts: list[Part] = []
    calls: list[ToolCall] = []
    for block in blocks:
        match block:
            case turns.ToolUseBlock():
                calls.append(ToolCall(id=block.id, name=block.name, arguments=json.dumps(block.input)))
            case turns.ThinkingBlock() | turns.RedactedThinkingBlock():
                parts.append(thoughts(block))
            case turns.TextBlock() if parts and isinstance(last := parts[-1], TextPart):
                # Many servers take one text from an assistant, no more.
                parts[-1] = TextPart(text=last.text + block.text)
            case turns.TextBlock():
                parts.append(TextPart(text=block.text))
            case _:
                pass  # only users' turns hold others
    return Message(
        role="assistant", content=_plain(tuple(parts)), tool_calls=tuple(calls), cache_control=_marker(blocks)
    )


def _user(blocks: "Sequence[turns.AnyContent]") -> Iterator[Message]:
    """Results of tools are turns of their own and come first: nothing may stand between them and the calls."""
    for block in blocks:
        if isinstance(block, turns.ToolResultBlock):
            yield Message(
                role="tool",
                content=block.content if isinstance(block.content, str) else _parts(block.content or ()),
                tool_call_id=block.tool_use_id,
                failed=block.is_error,
                cache_control=_marker([block]),
            )
    if said := [block for block in blocks if isinstance(block, turns.Content)]:
        yield Message(role="user", content=_parts(said), cache_control=_marker(said))


def _parts(blocks: "Sequence[turns.Content]") -> str | tuple[Part, ...]:
    return _plain(tuple(_part(block) for block in blocks))


def _plain(parts: tuple[Part, ...]) -> str | tuple[Part, ...]:
    """Content that is one text as that text, so that equal questions are equal whatever the client's shape."""
    if not parts:
        return ""
    first = parts[0]
    return first.text if len(parts) == 1 and isinstance(first, TextPart) else parts


def _part(block: turns.Content) -> Part:
    match block:
        case turns.TextBlock():
            return TextPart(text=block.text)
        case turns.ImageBlock(source=source) if source.type == "url" and source.url:
            return ImagePart(url=source.url)
        case turns.ImageBlock(source=source) if source.type == "base64":
            return ImagePart(url=f"data:{source.media_type};base64,{source.data}")
        case _:
            return FilePart(data=block.model_dump(exclude_none=True, exclude={"cache_control"}))


def _marker(blocks: Iterable[turns.Marked | object]) -> dict[str, object] | None:
    """The last cache marker among ``blocks``: here one stands at the end of a turn."""
    found = [b.cache_control for b in blocks if isinstance(b, turns.Marked) and b.cache_control]
    return found[-1].model_dump(exclude_none=True) if found else None


def _check_tool_results(said: "Iterable[turns.Turn]") -> None:
    """Every tool call has its result in the next turn and no result stands alone, or every member would refuse it.

    Turns of one role in a row are one.
    """
    calls: set[str] = set()
    index = -1
    for _, run in groupby(enumerate(said), key=lambda placed: placed[1].role):
        made: set[str] = set()
        for index, turn in run:
            for place, block in enumerate(_blocks(turn)):
                if isinstance(block, turns.ToolUseBlock):
                    made.add(block.id)
                elif isinstance(block, turns.ToolResultBlock):
                    if block.tool_use_id not in calls:
                        param = f"messages[{index}].content[{place}].tool_use_id"
                        raise InvalidRequest(f"{param}: no tool_use in the turn before has this id", param=param)
                    calls.remove(block.tool_use_id)
        if calls:
            raise _unanswered(index, calls)
        calls = made
    if calls:
        raise _unanswered(index + 1, calls)


def _unanswered(index: int, calls: set[str]) -> InvalidRequest:
    param = f"messages[{index}]"
    return InvalidRequest(f"{param}: a tool_result is missing here for the tool_use {min(calls)}", param=param)
