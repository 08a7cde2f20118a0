"""From a prompt to the body of a chat completion in OpenAI's wire format."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from ensemble.callids import portable
from ensemble.native import ANTHROPIC, DETAILS, THOUGHT
from ensemble.providers._files import file_for_openai, image_for_openai
from ensemble.providers._shapes import mapping
from judges.types import FilePart, ImagePart, Message, OpaquePart, Part, Prompt, ResponseFormat, TextPart

TokenParameter = Literal["max_tokens", "max_completion_tokens"]

_CALL_ID = re.compile(r"[\x21-\x7e]{1,40}")
"""OpenAI refuses longer ones."""
_SHOWN_BELOW = "The result is shown in the next message."
_OURS = frozenset({"model", "messages", "stream", "stream_options", "n"})


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How one server wants to be spoken to.

    Attributes:
        token_parameter: what the limit of output tokens is called.
        developer: the server knows the role ``developer``; ``system`` stands for it elsewhere.
        unsupported: parameters by wire name that are not sent.
    """

    token_parameter: TokenParameter
    developer: bool
    unsupported: frozenset[str]

    @cached_property
    def refused(self) -> frozenset[str]:
        """``unsupported`` with what means nothing without it."""
        further = {"logprobs": "top_logprobs", "tools": "tool_choice"}
        return self.unsupported | {name for of, name in further.items() if of in self.unsupported}


def body_of(model: str, prompt: Prompt, manner: Manner, *, stream: bool) -> tuple[dict[str, object], tuple[str, ...]]:
    """The body, and the wire names of what was asked for and is not in it.

    Raises:
        CallFailed: a file that this format cannot carry.
    """
    body: dict[str, object] = {
        "model": model,
        "messages": list(_conversation(portable(prompt.messages, _CALL_ID), manner)),
    }
    left_out = _foreign(prompt)
    wanted = _stated(prompt, manner)
    if prompt.options:
        left_out = [*(name for name in prompt.options if name in _OURS), *left_out]
        stated = {name: value for name, value in prompt.options.items() if name not in _OURS and name != ANTHROPIC}
        wanted = stated | wanted
    refused = manner.refused
    for name, value in wanted.items():
        if name in refused:
            left_out.append(name)
        else:
            body[name] = value
    if stream:
        body["stream"] = True
        if "stream_options" not in refused:
            body["stream_options"] = {"include_usage": True}
    return body, tuple(dict.fromkeys(left_out)) if left_out else ()


def _stated(prompt: Prompt, manner: Manner) -> dict[str, object]:
    """What is asked for beside the options; most prompts ask for none of it."""
    stated: dict[str, object] = {}
    if prompt.max_output_tokens is not None:
        stated[manner.token_parameter] = prompt.max_output_tokens
    if prompt.stop:
        stated["stop"] = list(prompt.stop)
    if prompt.seed is not None:
        stated["seed"] = prompt.seed
    if prompt.tools:
        stated["tools"] = [_tool(tool) for tool in prompt.tools]
    if prompt.tool_choice is not None:
        stated["tool_choice"] = prompt.tool_choice
    if prompt.response_format is not None:
        stated["response_format"] = _format(prompt.response_format)
    if prompt.top_logprobs is not None:
        stated["logprobs"] = True
        if prompt.top_logprobs:
            stated["top_logprobs"] = prompt.top_logprobs
    return stated


def _foreign(prompt: Prompt) -> list[str]:
    """Names of what only Anthropic's format can say."""
    names = list(mapping(prompt.options.get(ANTHROPIC))) if prompt.options else []
    if prompt.tools:
        names += [f"tools.{name}" for tool in prompt.tools for name in mapping(tool.get(ANTHROPIC))]
    cached = failed = False
    for message in prompt.messages:
        cached = cached or bool(message.cache_control)
        failed = failed or message.failed
    if cached:
        names.append("cache_control")
    if failed:
        names.append("is_error")
    return names


def _tool(tool: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in tool.items() if name != ANTHROPIC}


def _conversation(messages: Iterable[Message], manner: Manner) -> Iterator[dict[str, object]]:
    """The turns. What a tool shows is shown by the user behind the results, since a tool's turn is text alone here."""
    shown: list[Part] = []
    for message in messages:
        if message.role == "tool" and isinstance(message.content, tuple):
            shown += (others := [part for part in message.content if not isinstance(part, TextPart)])
            message = replace(message, content=message.text or (_SHOWN_BELOW if others else ""))
        elif message.role != "tool" and shown:
            yield _message(Message(role="user", content=tuple(shown)), manner)
            shown = []
        yield _message(message, manner)
    if shown:
        yield _message(Message(role="user", content=tuple(shown)), manner)


def _message(message: Message, manner: Manner) -> dict[str, object]:
    role = "system" if message.role == "developer" and not manner.developer else message.role
    content = message.content
    wire: dict[str, object] = {"role": role, "content": content if isinstance(content, str) else _content(content)}
    if message.name is not None:
        wire["name"] = message.name
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
        wire["content"] = wire["content"] or None
    if isinstance(content, tuple):
        for part in content:
            if isinstance(part, OpaquePart):
                wire |= _thoughts(part, within_tools=bool(message.tool_calls))
    return wire


def _content(content: tuple[Part, ...]) -> object:
    parts = [wire for part in content if (wire := _part(part)) is not None]
    # Many servers take nothing but a string from anybody but the user.
    return parts[0]["text"] if len(parts) == 1 and parts[0].get("type") == "text" else parts or ""


def _part(part: Part) -> Mapping[str, object] | None:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            return image_for_openai(part)
        case FilePart():
            return file_for_openai(part)
        case OpaquePart():
            return None


def _thoughts(part: OpaquePart, *, within_tools: bool) -> dict[str, object]:
    """Thoughts go back to who had them: OpenRouter's always, plain ones only where a tool loop goes on.

    DeepSeek refuses plain thoughts on any other turn.
    """
    kind = part.data.get("type")
    if kind == DETAILS:
        return {DETAILS: part.data.get("details")}
    return {THOUGHT: part.data.get("text")} if kind == THOUGHT and within_tools else {}


def _format(wanted: ResponseFormat) -> Mapping[str, object]:
    if wanted.type == "json_object":
        return {"type": "json_object"}
    strict = {} if wanted.strict is None else {"strict": wanted.strict}
    return {"type": "json_schema", "json_schema": {"name": wanted.name, "schema": wanted.schema or {}, **strict}}
