"""Reading chat completion requests in OpenAI's format."""

from collections.abc import Mapping

import orjson

from ensemble.simulator import tokens
from ensemble.simulator.quirks import Quirks
from ensemble.simulator.talk import Ask, Problem, ToolUse, Turn
from ensemble.simulator.wire import number, rows, table, text, whole_number

_ROLES = {"system", "developer", "user", "assistant", "tool"}
_NO_THOUGHTS = (None, "none", "minimal")


def read_ask(body: Mapping[str, object], quirks: Quirks) -> Ask:
    """The request in ``body``; raises Problem (400) where the server of these ``quirks`` would refuse it."""
    model = text(body.get("model")).removeprefix(quirks.model_prefix)
    if not model:
        raise Problem(400, "you must provide a model parameter", param="model")
    if (whole_number(body, "n") or 1) > 1:
        raise Problem(400, "'n' above 1 is not simulated; send one request per sample.", param="n")
    stop = body.get("stop")
    tools, tool_tokens = _tools(body.get("tools"))
    return Ask(
        model=model,
        turns=_turns(body.get("messages")),
        stream=body.get("stream") is True,
        include_usage=table(body.get("stream_options")).get("include_usage") is True,
        max_tokens=_max_tokens(body, quirks),
        stop=(stop,) if isinstance(stop, str) else tuple(text(each) for each in rows(stop)),
        tools=tools,
        tool_choice=_tool_choice(body.get("tool_choice")),
        tool_tokens=tool_tokens,
        schema=_schema(table(body.get("response_format"))),
        top_logprobs=_top_logprobs(body, quirks),
        seed=whole_number(body, "seed", least=-(2**63)),
        temperature=number(body, "temperature"),
        thinks=body.get("reasoning_effort") not in _NO_THOUGHTS,
    )


def _max_tokens(body: Mapping[str, object], quirks: Quirks) -> int | None:
    for name in quirks.refused:
        if body.get(name) is not None:
            raise Problem(
                400,
                f"Unsupported parameter: '{name}' is not supported with this model. Use "
                f"'{quirks.max_tokens[0]}' instead.",
                code="unsupported_parameter",
                param=name,
            )
    limits = [whole_number(body, name) for name in quirks.max_tokens]
    return next((limit for limit in limits if limit is not None), None)


def _top_logprobs(body: Mapping[str, object], quirks: Quirks) -> int | None:
    top = whole_number(body, "top_logprobs", least=0)
    if body.get("logprobs") is not True:
        if top is not None:
            raise Problem(400, "'top_logprobs' needs 'logprobs' to be true.", param="top_logprobs")
        return None
    if top is not None and top > 20:
        raise Problem(400, "'top_logprobs' must be at most 20.", param="top_logprobs")
    return (top or 0) if quirks.logprobs else None


def _schema(wanted: Mapping[str, object]) -> Mapping[str, object] | None:
    kind = wanted.get("type")
    if kind == "json_object":
        return {}
    if kind != "json_schema":
        return None
    schema = table(wanted.get("json_schema")).get("schema")
    if not isinstance(schema, dict):
        raise Problem(400, "Missing required parameter: 'response_format.json_schema.schema'.", param="response_format")
    return schema


def _tools(listed: object) -> tuple[dict[str, Mapping[str, object]], int]:
    found: dict[str, Mapping[str, object]] = {}
    for each in rows(listed):
        function = table(table(each).get("function"))
        found[text(function.get("name"))] = table(function.get("parameters"))
    return found, tokens.count(orjson.dumps(listed).decode()) if found else 0


def _tool_choice(choice: object) -> str:
    if isinstance(choice, str):
        return choice
    return text(table(table(choice).get("function")).get("name")) or "auto"


def _turns(messages: object) -> tuple[Turn, ...]:
    if not isinstance(messages, list) or not messages:
        raise Problem(400, "'messages' must be a list of at least one message.", param="messages")
    return tuple(_turn(each, at) for at, each in enumerate(messages))


def _turn(message: object, at: int) -> Turn:
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        raise Problem(400, f"'messages.{at}.role' must be one of {', '.join(sorted(_ROLES))}.", param="messages")
    content = message.get("content")
    parts = rows(content)
    words = text(content) or "\n".join(text(table(part).get("text")) for part in parts if "text" in table(part))
    if message["role"] == "tool" and any(table(part).get("type") != "text" for part in parts):
        raise Problem(400, f"'messages.{at}' with role 'tool' may hold nothing but text.", param="messages")
    calls = [table(call) for call in rows(message.get("tool_calls"))]
    return Turn(
        role=message["role"],
        text=words,
        images=sum(table(part).get("type") == "image_url" for part in parts),
        tool_calls=tuple(_tool_use(call) for call in calls),
        answers=text(message.get("tool_call_id")) or None,
    )


def _tool_use(call: Mapping[str, object]) -> ToolUse:
    function = table(call.get("function"))
    return ToolUse(id=text(call.get("id")), name=text(function.get("name")), arguments=text(function.get("arguments")))
