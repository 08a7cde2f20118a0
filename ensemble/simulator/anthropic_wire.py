"""Anthropic's messages: whole answers, streams and errors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import orjson

from ensemble.simulator import tokens
from ensemble.simulator.anthropic_reading import CURRENT_VERSION, OLD_VERSION, read_ask, signature
from ensemble.simulator.talk import Ask, Problem, Said, ToolUse, Usage
from ensemble.simulator.wire import Piece, Reply, text

_STOPS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "content_filter": "refusal",
}
_EMPTY: Mapping[str, Mapping[str, object]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicWire:
    """Messages, in the versions that the SDK of today and older models use.

    ``version_in_body`` is the manner of clouds: no header, and their own name may stand before the date.
    """

    tells_usage: bool = True
    version_in_body: bool = False
    name: str = "anthropic"
    id_header: str = "request-id"

    def parse(self, body: Mapping[str, object], headers: Mapping[str, str]) -> Ask:
        if not self.version_in_body:
            return read_ask(body, headers)
        version = text(body.get("anthropic_version"))[-10:]
        old = "2000-01-01" <= version < CURRENT_VERSION  # their older dates are not the API's, and mean the same
        return read_ask(body, {"anthropic-version": OLD_VERSION if old else version})

    def whole(self, reply: Reply) -> bytes:
        said = reply.said
        body = {
            **_opening(reply),
            "content": list(_blocks(said)),
            "stop_reason": _STOPS.get(said.finish, said.finish) if said.stopped_by is None else "stop_sequence",
            "stop_sequence": said.stopped_by,
            "stop_details": _details(said),
        }
        if self.tells_usage:
            body["usage"] = _usage(reply.usage)
        return orjson.dumps(body)

    def pieces(self, reply: Reply, chunk_tokens: int) -> Iterator[Piece]:
        start = {**_opening(reply), "content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
        if self.tells_usage:
            start["usage"] = {**_usage(reply.usage), "output_tokens": 1}
        yield _event("message_start", {"message": start}, tells_prompt=self.tells_usage)
        yield _event("ping", {})
        written = {use.id: use.arguments for use in reply.said.tool_calls}
        for index, block in enumerate(_blocks(reply.said)):
            yield from _block_pieces(index, block, written, chunk_tokens)
        said = reply.said
        delta = {
            "stop_reason": _STOPS.get(said.finish, said.finish) if said.stopped_by is None else "stop_sequence",
            "stop_sequence": said.stopped_by,
            "stop_details": _details(said),
        }
        last: dict[str, object] = {"delta": delta}
        if self.tells_usage:
            last["usage"] = _usage(reply.usage)
        yield _event("message_delta", last, tells_completion=self.tells_usage)
        yield _event("message_stop", {})

    def problem(self, problem: Problem, request_id: str) -> bytes:
        kind = problem.type or _TYPES.get(problem.status, "api_error")
        error = {"type": kind, "message": problem.message}
        return orjson.dumps({"type": "error", "error": error, "request_id": request_id})

    def broken_off(self, message: str) -> bytes:
        return _event("error", {"error": {"type": "overloaded_error", "message": message}}).data

    def without_usage(self) -> "AnthropicWire":
        return replace(self, tells_usage=False)


def _opening(reply: Reply) -> dict[str, object]:
    return {"id": f"msg_{reply.id}", "type": "message", "role": "assistant", "model": reply.model, "container": None}


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "input_tokens": usage.prompt - usage.cached - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.completion,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "service_tier": "standard",
    }


def _details(said: Said) -> dict[str, object] | None:
    if said.finish not in ("refusal", "content_filter"):
        return None
    return {"type": "refusal", "category": None, "explanation": said.refusal}


def _blocks(said: Said) -> Iterator[dict[str, object]]:
    if said.reasoning is not None:
        yield {"type": "thinking", "thinking": said.reasoning, "signature": signature(said.reasoning)}
    # A refusal is a reason to stop here and no field of its own, so its words stand in the text.
    words = said.text + (said.refusal or "")
    if words:
        yield {"type": "text", "text": words, "citations": None}
    for use in said.tool_calls:
        yield {"type": "tool_use", "id": use.id, "name": use.name, "input": _arguments(use)}


def _arguments(use: ToolUse) -> object:
    try:
        return orjson.loads(use.arguments)
    except orjson.JSONDecodeError:
        return {}


def _block_pieces(
    index: int, block: Mapping[str, object], written: Mapping[str, str], chunk_tokens: int
) -> Iterator[Piece]:
    """One block as events; the arguments of a tool go out as they were ``written``, valid JSON or not."""
    kind = block["type"]
    empty = _EMPTY[str(kind)]
    yield _event("content_block_start", {"index": index, "content_block": {**block, **empty}})
    if kind == "tool_use":
        field, words = "partial_json", written[str(block["id"])]
    else:
        field, words = str(kind), str(block[str(kind)])
    name = {"text": "text_delta", "thinking": "thinking_delta", "tool_use": "input_json_delta"}[str(kind)]
    split = tokens.split(words)
    for at in range(0, len(split), chunk_tokens):
        part = split[at : at + chunk_tokens]
        delta = {"type": name, field: "".join(part)}
        yield _event("content_block_delta", {"index": index, "delta": delta}, count=len(part))
    if kind == "thinking":
        proof = {"type": "signature_delta", "signature": block["signature"]}
        yield _event("content_block_delta", {"index": index, "delta": proof})
    yield _event("content_block_stop", {"index": index})


def _event(
    name: str,
    body: Mapping[str, object],
    *,
    count: int = 0,
    tells_prompt: bool = False,
    tells_completion: bool = False,
) -> Piece:
    data = b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps({"type": name, **body}))
    return Piece(data=data, tokens=count, tells_prompt=tells_prompt, tells_completion=tells_completion)
