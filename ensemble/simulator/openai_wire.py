"""OpenAI's chat completions, as the OpenAPI document of its API describes them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import orjson

from ensemble.simulator import tokens
from ensemble.simulator.logprobs import openai_logprobs
from ensemble.simulator.openai_reading import read_ask
from ensemble.simulator.quirks import PLAIN, Quirks
from ensemble.simulator.talk import Ask, Problem, Said, ToolUse
from ensemble.simulator.wire import Piece, Reply

DONE = b"data: [DONE]\n\n"
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


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

    def parse(self, body: Mapping[str, object], headers: Mapping[str, str]) -> Ask:
        return read_ask(body, self.quirks)

    def whole(self, reply: Reply) -> bytes:
        said = reply.said
        message: dict[str, object] = {"role": "assistant", "content": said.text or _nothing(said)}
        message["refusal"] = said.refusal
        if said.reasoning is not None and self.quirks.reasoning is not None:
            message[self.quirks.reasoning] = said.reasoning
        if said.tool_calls:
            message["tool_calls"] = [_tool_call(use) for use in said.tool_calls]
        choice = self._choice("message", message, self._finish(said), _logprobs(reply))
        body = {**self._frame(reply, "chat.completion"), "choices": [choice]}
        if self.quirks.usage:
            body["usage"] = self._usage(reply)
        return orjson.dumps(body)

    def pieces(self, reply: Reply, chunk_tokens: int) -> Iterator[Piece]:
        frame = self._frame(reply, "chat.completion.chunk")
        quirks = self.quirks
        telling = {"always": True, "asked": reply.ask.include_usage}.get(quirks.stream_usage, False)
        if quirks.stream_usage == "every_chunk":
            frame["usage"] = self._usage(reply)
        elif telling:
            frame["usage"] = None
        if quirks.comment is not None:
            yield Piece(data=quirks.comment.encode() + b"\n\n")
        if quirks.opening_chunk:
            yield _sse({**frame, **quirks.opening_chunk, "choices": []})
        every = quirks.stream_usage == "every_chunk"
        for delta, count, logs in _deltas(reply, quirks.reasoning, chunk_tokens):
            yield _sse({**frame, "choices": [self._choice("delta", delta, None, logs)]}, count, tells=every)
        yield _sse({**frame, "choices": [self._choice("delta", {}, self._finish(reply.said), None)]}, tells=every)
        if telling:
            yield _sse({**frame, "choices": [], "usage": self._usage(reply)}, tells=True)
        yield Piece(data=DONE)

    def problem(self, problem: Problem, request_id: str) -> bytes:
        usual = _TYPES.get(problem.status, "server_error" if problem.status >= 500 else "invalid_request_error")
        error: dict[str, object] = {"message": problem.message, "type": problem.type or usual}
        error |= {"param": problem.param, "code": problem.code}
        if not self.quirks.error_list:
            return orjson.dumps({"error": error})
        google = {"code": problem.status, "message": problem.message, "status": usual.upper()}
        return orjson.dumps([{"error": google}])

    def broken_off(self, message: str) -> bytes:
        error = {"message": message, "type": "server_error", "param": None, "code": None}
        return b"data: %b\n\n" % orjson.dumps({"error": error})

    def without_usage(self) -> "OpenAIWire":
        return replace(self, quirks=replace(self.quirks, usage=False, stream_usage="never"))

    def _finish(self, said: Said) -> str:
        plain = "stop" if said.finish == "refusal" else said.finish
        return self.quirks.finishes.get(plain, plain)

    def _choice(self, name: str, content: object, finish: str | None, logs: object) -> dict[str, object]:
        return {"index": 0, name: content, "finish_reason": finish, "logprobs": logs, **self.quirks.choice_extra}

    def _frame(self, reply: Reply, kind: str) -> dict[str, object]:
        frame: dict[str, object] = {
            "id": reply.id,
            "object": kind,
            "created": reply.created,
            "model": self.quirks.model_prefix + reply.model,
            "system_fingerprint": f"fp_simulated_{reply.version}",
        }
        return {**frame, **self.quirks.extra}

    def _usage(self, reply: Reply) -> dict[str, object]:
        usage, quirks = reply.usage, self.quirks
        hidden = usage.reasoning if quirks.reasoning_outside else 0
        body: dict[str, object] = {
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.completion - hidden,
            "total_tokens": usage.prompt + usage.completion,
        }
        if quirks.usage_details:
            body["prompt_tokens_details"] = {"cached_tokens": usage.cached, "audio_tokens": 0}
            body["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning, "audio_tokens": 0}
        if quirks.cost:
            body["cost"] = float(reply.cost_usd)
        return body


def _deltas(reply: Reply, reasoning: str | None, size: int) -> Iterator[tuple[dict[str, object], int, object]]:
    """The parts of an answer in the order in which they are streamed, each with its tokens and logprobs."""
    said = reply.said
    yield {"role": "assistant", "content": "", "refusal": None}, 0, None
    for name, words in ((reasoning, said.reasoning), ("refusal", said.refusal)):
        for piece in _chunks(words or "", size):
            # Thoughts that the server keeps to itself take their time all the same.
            yield ({} if name is None else {name: "".join(piece)}), len(piece), None
    logs = _logprobs(reply)
    for at, piece in enumerate(_chunks(said.text, size)):
        part = None
        if logs is not None:
            part = {"content": logs["content"][at * size :][: len(piece)], "refusal": None}
        yield {"content": "".join(piece)}, len(piece), part
    for index, use in enumerate(said.tool_calls):
        begun = {**_tool_call(use), "index": index, "function": {"name": use.name, "arguments": ""}}
        yield {"tool_calls": [begun]}, tokens.count(use.name), None
        for piece in _chunks(use.arguments, size):
            more = {"index": index, "function": {"arguments": "".join(piece)}}
            yield {"tool_calls": [more]}, len(piece), None


def _sse(body: object, count: int = 0, *, tells: bool = False) -> Piece:
    return Piece(data=b"data: %b\n\n" % orjson.dumps(body), tokens=count, tells_prompt=tells, tells_completion=tells)


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
