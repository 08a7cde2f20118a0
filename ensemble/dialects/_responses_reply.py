"""What goes back to a client of OpenAI's Responses: a response with its items."""

from collections.abc import Iterator, Mapping
from typing import Any

from ensemble.dialects import extension, state
from ensemble.dialects._openai_reply import told_token
from ensemble.dialects.dialect import Asked
from ensemble.types import Answer, Request
from judges.types import Completion, OpaquePart, Prompt, ResponseFormat, Usage

PREFIX = "resp_"
"""Stands before our request id in the ``id`` of a response."""
INSTRUCTIONS = "responses.instructions"
"""Tag of a request whose first message is its ``instructions``, which later ones do not take over."""
PREVIOUS = "responses.previous_response_id"
"""Tag with the id of the response that a request goes on from."""
STORE = "responses.store"
"""Tag of a request that may not be read or continued in this protocol."""
SUMMARY = "responses.summary"
"""Tag of a request that wants to see thoughts."""

Item = dict[str, Any]


def render(answer: Answer, asked: Asked) -> dict[str, object]:
    """As ``Dialect.render``.

    ``ensemble`` is in it if the client asked for a part of it, or if there is a warning or something was dropped.
    """
    reply = response(answer)
    if extension.wanted(answer, asked.include):
        reply["ensemble"] = extension.report(answer, asked.include)
    return reply


def response(answer: Answer) -> Item:
    """The response object."""
    said = answer.completion
    why = _incomplete(said)
    return {
        **_echo(answer.request, answer.member),
        "status": "incomplete" if why else "completed",
        "incomplete_details": {"reason": why} if why else None,
        "output": list(_items(answer)),
        "usage": _usage(said.usage),
    }


def begun(request: Request, member: str) -> Item:
    """The response object before its first item."""
    return {**_echo(request, member), "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}


def message(request: Request, status: str, content: list[dict[str, object]]) -> Item:
    """The item with what is said in words."""
    return {"id": f"msg_{request.id}", "type": "message", "role": "assistant", "status": status, "content": content}


def text_part(text: str, tokens: list[dict[str, object]]) -> dict[str, object]:
    """The part of a message that is its text."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": tokens}


def _echo(asked: Request, member: str) -> Item:
    """What a response repeats of its request; null where the client left the choice to the members."""
    prompt, options = asked.prompt, asked.prompt.options
    return {
        "id": PREFIX + asked.id,
        "object": "response",
        "created_at": int(asked.arrived_at.timestamp()),
        "model": member,
        "error": None,
        "background": False,
        "instructions": prompt.messages[0].text if INSTRUCTIONS in asked.tags else None,
        "max_output_tokens": prompt.max_output_tokens,
        "max_tool_calls": None,
        "metadata": dict(asked.metadata),
        "parallel_tool_calls": options.get("parallel_tool_calls", True),
        "previous_response_id": asked.tags.get(PREVIOUS),
        "reasoning": {"effort": options.get("reasoning_effort"), "summary": asked.tags.get(SUMMARY)},
        "safety_identifier": options.get("safety_identifier"),
        "service_tier": options.get("service_tier"),
        "store": STORE not in asked.tags,
        "temperature": options.get("temperature"),
        "text": {"format": _format(prompt.response_format), **_given(verbosity=options.get("verbosity"))},
        "tool_choice": _tool_choice(prompt),
        "tools": [_tool(tool) for tool in prompt.tools],
        "top_logprobs": prompt.top_logprobs or 0,
        "top_p": options.get("top_p"),
        "truncation": "disabled",
        "user": asked.user,
    }


def _given(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _format(form: ResponseFormat | None) -> dict[str, object]:
    if form is None:
        return {"type": "text"}
    if form.type == "json_object":
        return {"type": "json_object"}
    return {"type": "json_schema", "name": form.name, "schema": form.schema, "strict": form.strict, "description": None}


def _tool_choice(prompt: Prompt) -> object:
    match prompt.tool_choice:
        case {"function": {"name": name}}:
            return {"type": "function", "name": name}
        case choice:
            return choice or "auto"


def _tool(tool: Mapping[str, object]) -> dict[str, object]:
    function = tool.get("function")
    known = function if isinstance(function, Mapping) else {}
    return {"type": "function", **{key: known.get(key) for key in ("name", "description", "parameters", "strict")}}


def _incomplete(said: Completion) -> str | None:
    if said.finish_reason == "length":
        return "max_output_tokens"
    # A refusal in words is an answer; one without words was a filter.
    return "content_filter" if said.finish_reason == "refusal" and not said.text else None


def _items(answer: Answer) -> Iterator[Item]:
    """What the winner said, item by item. Ids depend on the request alone: they are the same when read again."""
    said, id_ = answer.completion, answer.request.id
    for index, part in enumerate(said.reasoning):
        yield _reasoning(part, f"rs_{id_}_{index}", shown=SUMMARY in answer.request.tags)
    status = "incomplete" if _incomplete(said) else "completed"
    if content := _content(said, logprobs=answer.request.prompt.top_logprobs is not None):
        yield message(answer.request, status, content)
    for index, call in enumerate(said.tool_calls):
        named = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
        yield {"id": f"fc_{id_}_{index}", "type": "function_call", "status": status, **named}


def _reasoning(part: OpaquePart, id_: str, *, shown: bool) -> Item:
    """Thoughts, sealed for their maker; readable only if the client asked for that."""
    text = state.readable(part) if shown else None
    summary = [{"type": "summary_text", "text": text}] if text else []
    return {"id": id_, "type": "reasoning", "summary": summary, "encrypted_content": state.sealed(part)}


def _content(said: Completion, *, logprobs: bool) -> list[dict[str, object]]:
    if said.finish_reason == "refusal":
        return [{"type": "refusal", "refusal": said.text}] if said.text else []
    if said.tool_calls and not said.text:
        return []
    tokens = [told_token(token) for token in said.logprobs or ()] if logprobs else []
    return [text_part(said.text, tokens)]


def _usage(usage: Usage) -> dict[str, object] | None:
    """The winner's tokens; null where one of the two counts is unknown, since the protocol has no unknown number."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": _given(
            cached_tokens=usage.cached_input_tokens, cache_write_tokens=usage.cache_write_tokens
        ),
        "output_tokens": usage.output_tokens,
        "output_tokens_details": _given(reasoning_tokens=usage.reasoning_tokens),
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
