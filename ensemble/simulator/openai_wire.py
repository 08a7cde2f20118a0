"""OpenAI's chat completions, as the OpenAPI document of its API describes them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import orjson

from ensemble.simulator import tokens
from ensemble.simulator.logprobs import openai_logprobs
from ensemble.simulator.quirks import PLAIN, Quirks
from ensemble.simulator.talk import Ask, Problem, Said, ToolUse, Turn, Usage
from ensemble.simulator.wire import Piece, Reply, number, rows, table, text, whole_number

DONE = b"data: [DONE]\n\n"
_ROLES = {"system", "developer", "user", "assistant", "tool"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIWire:
    """Chat completions, with the quirks of the server that is played."""

    quirks: Quirks = PLAIN
    id_header: str = "x-request-id"

    @property
    def name(self) -> str:
        return self.quirks.name

    @property
    def tells_usage(self) -> bool:
        return self.quirks.usage

    def parse(self, body: Mapping[str, object]) -> Ask:
        model = text(body.get("model"))
        if not model:
            raise Problem(400, "you must provide a model parameter", param="model")
        if (whole_number(body, "n") or 1) > 1:
            raise Problem(400, "'n' above 1 is not simulated; send one request per sample.", param="n")
        stop = body.get("stop")
        schema = _schema(table(body.get("response_format")))
        tools, tool_tokens = _tools(rows(body.get("tools")))
        return Ask(
            model=model,
            turns=_turns(body.get("messages")),
            stream=body.get("stream") is True,
            include_usage=table(body.get("stream_options")).get("include_usage") is True,
            max_tokens=self._max_tokens(body),
            stop=(stop,) if isinstance(stop, str) else tuple(text(each) for each in rows(stop)),
            tools=tools,
            tool_choice=_tool_choice(body.get("tool_choice")),
            tool_tokens=tool_tokens,
            schema=schema,
            top_logprobs=self._top_logprobs(body),
            seed=whole_number(body, "seed", least=-(2**63)),
            temperature=number(body, "temperature"),
        )

    def _max_tokens(self, body: Mapping[str, object]) -> int | None:
        for name in self.quirks.refused:
            if body.get(name) is not None:
                raise Problem(
                    400,
                    f"Unsupported parameter: '{name}' is not supported with this model.",
                    code="unsupported_parameter",
                    param=name,
                )
        limits = [whole_number(body, name) for name in self.quirks.max_tokens]
        return next((limit for limit in limits if limit is not None), None)

    def _top_logprobs(self, body: Mapping[str, object]) -> int | None:
        top = whole_number(body, "top_logprobs", least=0)
        if body.get("logprobs") is not True:
            if top is not None:
                raise Problem(400, "'top_logprobs' needs 'logprobs' to be true.", param="top_logprobs")
            return None
        if top is not None and top > 20:
            raise Problem(400, "'top_logprobs' must be at most 20.", param="top_logprobs")
        return (top or 0) if self.quirks.logprobs else None

    def whole(self, reply: Reply) -> bytes:
        said = reply.said
        message: dict[str, object] = {"role": "assistant", "content": said.text or _nothing(said)}
        message["refusal"] = said.refusal
        if said.reasoning is not None:
            message[self.quirks.reasoning] = said.reasoning
        if said.tool_calls:
            message["tool_calls"] = [_tool_call(use) for use in said.tool_calls]
        choice: dict[str, object] = {"index": 0, "message": message, "finish_reason": self._finish(said)}
        choice["logprobs"] = _logprobs(reply)
        body = {**self._frame(reply, "chat.completion"), "choices": [choice]}
        if self.quirks.usage:
            body["usage"] = self._usage(reply.usage)
        return orjson.dumps(body)

    def pieces(self, reply: Reply, chunk_tokens: int) -> Iterator[Piece]:
        said = reply.said
        frame = self._frame(reply, "chat.completion.chunk")
        if reply.ask.include_usage:
            frame["usage"] = None

        def event(delta: Mapping[str, object], count: int = 0, finish: str | None = None, logs: object = None) -> Piece:
            choice = {"index": 0, "delta": delta, "logprobs": logs, "finish_reason": finish}
            return Piece(data=b"data: %b\n\n" % orjson.dumps({**frame, "choices": [choice]}), tokens=count)

        yield event({"role": "assistant", "content": "", "refusal": None})
        for name, words in ((self.quirks.reasoning, said.reasoning), ("refusal", said.refusal)):
            for piece in _chunks(words or "", chunk_tokens):
                yield event({name: "".join(piece)}, len(piece))
        logs = _logprobs(reply)
        for at, piece in enumerate(_chunks(said.text, chunk_tokens)):
            part = None
            if logs is not None:
                part = {"content": logs["content"][at * chunk_tokens :][: len(piece)], "refusal": None}
            yield event({"content": "".join(piece)}, len(piece), logs=part)
        for index, use in enumerate(said.tool_calls):
            whole = _tool_call(use)
            begun = {**whole, "index": index, "function": {"name": use.name, "arguments": ""}}
            yield event({"tool_calls": [begun]}, tokens.count(use.name))
            for piece in _chunks(use.arguments, chunk_tokens):
                more = {"index": index, "function": {"arguments": "".join(piece)}}
                yield event({"tool_calls": [more]}, len(piece))
        yield event({}, finish=self._finish(said))
        if reply.ask.include_usage and self.quirks.stream_usage:
            last = orjson.dumps({**frame, "choices": [], "usage": self._usage(reply.usage)})
            yield Piece(data=b"data: %b\n\n" % last, tells_prompt=True, tells_completion=True)
        yield Piece(data=DONE)

    def problem(self, problem: Problem, request_id: str) -> bytes:
        error = {"message": problem.message, "type": problem.type, "param": problem.param, "code": problem.code}
        return orjson.dumps({"error": error})

    def broken_off(self, message: str) -> bytes:
        error = {"message": message, "type": "server_error", "param": None, "code": None}
        return b"data: %b\n\n" % orjson.dumps({"error": error})

    def without_usage(self) -> "OpenAIWire":
        return replace(self, quirks=replace(self.quirks, usage=False, stream_usage=False))

    def _finish(self, said: Said) -> str:
        plain = "stop" if said.finish == "refusal" else said.finish
        return self.quirks.finishes.get(plain, plain)

    def _frame(self, reply: Reply, kind: str) -> dict[str, object]:
        frame: dict[str, object] = {
            "id": reply.id,
            "object": kind,
            "created": reply.created,
            "model": self.quirks.model_prefix + reply.model,
            "system_fingerprint": f"fp_simulated_{reply.version}",
        }
        return {**frame, **self.quirks.extra}

    def _usage(self, usage: Usage) -> dict[str, object]:
        body: dict[str, object] = {
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.completion,
            "total_tokens": usage.prompt + usage.completion,
        }
        if self.quirks.usage_details:
            body["prompt_tokens_details"] = {"cached_tokens": usage.cached, "audio_tokens": 0}
            body["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning, "audio_tokens": 0}
        return body


def _nothing(said: Said) -> str | None:
    """An empty answer is an empty string; where something else stands in for the text, there is null."""
    return None if said.tool_calls or said.refusal is not None else ""


def _logprobs(reply: Reply) -> dict[str, list[object]] | None:
    top = reply.ask.top_logprobs
    return None if top is None else {"content": openai_logprobs(reply.said, top), "refusal": []}


def _chunks(words: str, size: int) -> Iterator[list[str]]:
    split = tokens.split(words)
    for start in range(0, len(split), size):
        yield split[start : start + size]


def _tool_call(use: ToolUse) -> dict[str, object]:
    return {"id": use.id, "type": "function", "function": {"name": use.name, "arguments": use.arguments}}


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
    for each in rows(listed if isinstance(listed, list) else []):
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
